"""Webhooks: who is told what, when it is told again, and when telling is given up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

EVERYTHING = "*"
# Events that come by the hundred are told only to those who name them.
_CHATTY = (".progress", ".log")

RETRY_SECONDS = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Standard Webhooks' schedule: how long after each failed attempt the next one comes."""


class DeliveryStatus(StrEnum):
    """Where a message is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class WebhookFormat(StrEnum):
    """What a message looks like; both are signed alike."""

    STANDARD = "standard"
    """As Standard Webhooks recommends: type, timestamp, data."""
    CLOUDEVENTS = "cloudevents"
    """A CloudEvent 1.0, in structured mode, as JSON."""

    @property
    def media_type(self) -> str:
        """Of the message's body."""
        cloud = self is WebhookFormat.CLOUDEVENTS
        return "application/cloudevents+json" if cloud else "application/json"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where a tenant wants to be told what happened."""

    id: str
    tenant_id: str
    url: str
    description: str
    events: tuple[str, ...]
    format: WebhookFormat
    enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None
    previous_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending: the receiver's status `code`, or the `error` that kept it from answering.

    `retry_after` is what the receiver asked for, in seconds.
    """

    code: int | None
    seconds: float
    error: str | None = None
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the receiver took the message."""
        return self.code is not None and 200 <= self.code < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no message ever again."""
        return self.code == 410


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """A message to an endpoint and what became of it."""

    id: str
    tenant_id: str
    endpoint_id: str
    event_type: str
    body: str
    status: DeliveryStatus
    attempts: tuple[dict[str, Any], ...]
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A message to be sent now, by whoever holds the lease. `secrets`: the newest first."""

    id: str
    url: str
    body: str
    format: WebhookFormat
    secrets: tuple[str, ...]
    lease_token: str


def wants(events: Sequence[str], event_type: str) -> bool:
    """Whether an endpoint with these filters is told of the event: `*`, `job.*`, or its name."""
    if event_type in events:
        return True
    if event_type.endswith(_CHATTY):
        return False
    return EVERYTHING in events or f"{event_type.partition('.')[0]}.*" in events


def message_body(event_type: str, at: datetime, data: dict[str, Any]) -> str:
    """The message's text, which is signed and sent exactly so."""
    return json.dumps({"type": event_type, "timestamp": _moment(at), "data": data})


def cloud_event(
    message_id: str, tenant_id: str, event_type: str, at: datetime, data: dict[str, Any]
) -> str:
    """The same as a CloudEvent 1.0; `data["id"]` is its subject, the message's id its own."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": message_id,
            "source": f"urn:ltforge:{tenant_id}",
            "type": f"ltforge.{event_type}",
            "subject": data["id"],
            "time": _moment(at),
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def retry_delay(tries: int, asked: float | None, jitter: float) -> float | None:
    """Seconds until the next attempt after `tries` failed ones; None: there is none.

    The receiver may ask for more patience, up to a day; `jitter` in [0, 1) spreads what failed
    together by up to a fifth.
    """
    if tries > len(RETRY_SECONDS):
        return None
    planned = RETRY_SECONDS[tries - 1] * (1 + jitter / 5)
    return max(planned, min(asked or 0.0, RETRY_SECONDS[-1]))
