"""Webhooks on the wire."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from ltengine.truth import refuse_truth
from service.api.schemas.keys import DEFAULT_GRACE_SECONDS, LARGEST_GRACE_SECONDS
from service.api.schemas.text import plain_text
from service.api.schemas.wire import Wire
from service.domain import DeliveryStatus, WebhookDelivery, WebhookEndpoint, WebhookFormat
from service.domain.webhook_urls import LONGEST_URL

_LONGEST_FILTER = 64
_MOST_FILTERS = 50

_Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_URL),
    AfterValidator(plain_text),
    Field(description="https, port 443, a public address"),
]
_Filter = Annotated[
    str,
    StringConstraints(
        pattern=r"^(\*|[a-z_]{1,30}\.(\*|[a-z_]{1,30}))$", max_length=_LONGEST_FILTER
    ),
]
_Filters = Annotated[list[_Filter], Field(min_length=1, max_length=_MOST_FILTERS)]
_EVENTS = "names of events, `job.*` or `*`; progress comes only to those who name it"
_FORMAT = "standard: type, timestamp, data; cloudevents: a CloudEvent 1.0 in structured mode"
_Description = Annotated[str, StringConstraints(max_length=1000), AfterValidator(plain_text)]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WebhookEndpointRequest(_Asked):
    """Where to tell what."""

    url: _Url
    events: _Filters = Field(default=["*"], description=_EVENTS)
    format: WebhookFormat = Field(default=WebhookFormat.STANDARD, description=_FORMAT)
    description: _Description = ""


class WebhookEndpointChange(_Asked):
    """What shall change about an endpoint; what is left out, or null, stays."""

    url: _Url | None = None
    events: _Filters | None = Field(default=None, description=_EVENTS)
    format: WebhookFormat | None = Field(default=None, description=_FORMAT)
    description: _Description | None = None
    enabled: bool | None = None


class SecretRotation(_Asked):
    """How a secret is rotated."""

    grace_seconds: Annotated[int, BeforeValidator(refuse_truth)] = Field(
        default=DEFAULT_GRACE_SECONDS,
        ge=0,
        le=LARGEST_GRACE_SECONDS,
        description="how long messages carry the signature of the secret before, too",
    )


class WebhookEndpointResource(Wire):
    """An endpoint, without its secret."""

    id: str
    url: str
    events: list[str] = Field(description=_EVENTS)
    format: WebhookFormat = Field(description=_FORMAT)
    description: str
    enabled: bool
    disabled_reason: str | None = Field(
        description="GONE: it answered 410; FAILING: it only failed for days"
    )
    failing_since: datetime | None = Field(description="null: the last message was taken")
    previous_secret_until: datetime | None = Field(
        description="until when messages are signed with the secret before, too"
    )
    created_at: datetime

    @classmethod
    def of(cls, endpoint: WebhookEndpoint) -> WebhookEndpointResource:
        """The wire form of an endpoint."""
        return cls(**_fields(endpoint))


class NewWebhookEndpointResource(WebhookEndpointResource):
    """An endpoint with its secret: shown once."""

    secret: str = Field(description="whsec_...: give it to the receiver's verifier")

    @classmethod
    def revealing(cls, endpoint: WebhookEndpoint, secret: str) -> NewWebhookEndpointResource:
        """The wire form of an endpoint whose secret is new."""
        return cls(**_fields(endpoint), secret=secret)


class AttemptResource(Wire):
    """One attempt to send a message."""

    at: datetime
    code: int | None = Field(description="the receiver's HTTP status; null if there was none")
    seconds: float = Field(description="until the answer, or until it was given up")
    error: str | None = Field(
        description="why there was no answer: NAME_NOT_RESOLVED, FORBIDDEN_ADDRESS, "
        "CONNECTION_FAILED, TIMED_OUT, BAD_ANSWER"
    )


class WebhookDeliveryResource(Wire):
    """A message to an endpoint, and what became of it."""

    id: str = Field(description="the message's webhook-id header, equal in every attempt")
    endpoint_id: str
    event_type: str
    status: DeliveryStatus
    payload: dict[str, Any] = Field(description="what is sent")
    attempts: list[AttemptResource]
    next_attempt_at: datetime | None = Field(description="null once it is delivered or failed")
    created_at: datetime
    finished_at: datetime | None

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> WebhookDeliveryResource:
        """The wire form of a delivery."""
        pending = delivery.status is DeliveryStatus.PENDING
        return cls(
            id=delivery.id,
            endpoint_id=delivery.endpoint_id,
            event_type=delivery.event_type,
            status=delivery.status,
            payload=json.loads(delivery.body),
            attempts=[AttemptResource(**attempt) for attempt in delivery.attempts],
            next_attempt_at=delivery.due_at if pending else None,
            created_at=delivery.created_at,
            finished_at=delivery.finished_at,
        )


def _fields(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "format": endpoint.format,
        "description": endpoint.description,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "failing_since": endpoint.failing_since,
        "previous_secret_until": endpoint.previous_until,
        "created_at": endpoint.created_at,
    }
