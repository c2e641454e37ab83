"""Records of the account, its keys, its webhooks, and the service's state."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from ltforge.notebook import Shown


@dataclass(frozen=True, kw_only=True)
class Tenant(Shown):
    """Whose the resources are."""

    id: str
    name: str
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKey(Shown):
    """A key without its secret. ``scopes``: read, write, admin; each includes those before it."""

    table_columns: ClassVar[tuple[str, ...]] = (
        "id",
        "name",
        "scopes",
        "last_used_at",
        "revoked_at",
    )

    id: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    previous_secret_until: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NewApiKey(ApiKey):
    """A key with its secret: the only time it is shown."""

    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Account(Shown):
    """Who this client is."""

    tenant: Tenant
    key: ApiKey


@dataclass(frozen=True, kw_only=True)
class AuditEntry(Shown):
    """One change, and the key it was made with."""

    table_columns: ClassVar[tuple[str, ...]] = ("created_at", "action", "subject_id", "key_id")

    id: str
    key_id: str | None
    request_id: str | None
    action: str
    subject_id: str
    data: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the tenant may do."""

    requests: int
    window_seconds: int
    queued_jobs: int
    running_jobs: int
    stored_bytes: int
    uploads: int


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the tenant has at the moment."""

    queued_jobs: int
    running_jobs: int
    stored_bytes: int
    exported_bytes: int = 0
    """Of the stored ones, those of exports."""


@dataclass(frozen=True, kw_only=True)
class UsageLine(Shown):
    """The finished jobs of one kind on one day."""

    table_columns: ClassVar[tuple[str, ...]] = (
        "day",
        "kind",
        "jobs",
        "succeeded",
        "failed",
        "seconds",
    )

    day: str
    kind: str
    jobs: int
    succeeded: int
    failed: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Usage(Shown):
    """Limits, what is in use now, and what was used between two days."""

    limits: Limits
    now: Standing
    start: str
    end: str
    data: tuple[UsageLine, ...]


@dataclass(frozen=True, kw_only=True)
class WebhookEndpoint(Shown):
    """An address that is told of events."""

    table_columns: ClassVar[tuple[str, ...]] = ("id", "url", "events", "enabled", "failing_since")

    id: str
    url: str
    events: tuple[str, ...]
    format: str = "standard"
    description: str = ""
    enabled: bool
    disabled_reason: str | None = None
    failing_since: datetime | None = None
    previous_secret_until: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NewWebhookEndpoint(WebhookEndpoint):
    """An endpoint with the secret that signs its messages: the only time it is shown."""

    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class DeliveryAttempt:
    """One attempt to deliver a message: the receiver's HTTP status, or why there is none."""

    at: datetime
    code: int | None
    seconds: float
    error: str | None


@dataclass(frozen=True, kw_only=True)
class WebhookDelivery(Shown):
    """A message to an endpoint. ``status``: pending, delivered or failed."""

    table_columns: ClassVar[tuple[str, ...]] = (
        "id",
        "event_type",
        "status",
        "created_at",
        "finished_at",
    )

    id: str
    endpoint_id: str
    event_type: str
    status: str
    payload: dict[str, Any]
    attempts: tuple[DeliveryAttempt, ...]
    next_attempt_at: datetime | None = None
    created_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Health(Shown):
    """A probe's answer. ``reasons`` say what is missing."""

    status: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ProblemType(Shown):
    """What an error code means."""

    type: str
    title: str
    status: int
    meaning: str
