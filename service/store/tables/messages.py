"""What happened, and whom to tell: events, wake-ups, webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.domain import DeliveryStatus, WebhookFormat
from service.store.tables.base import Row, one_of


class MlflowDeliveryRow(Row):
    """Finished constructions that an MLflow server is told of: the run, once there is one."""

    __tablename__ = "mlflow_deliveries"
    __table_args__ = (
        one_of("status", DeliveryStatus),
        Index("ix_mlflow_deliveries_due", "status", "due_at"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    status: Mapped[str] = mapped_column(String(16))
    # Only what a server that answers refused is counted.
    tries: Mapped[int]
    due_at: Mapped[datetime]
    run_id: Mapped[str | None] = mapped_column(String(64))
    error: Mapped[str | None] = mapped_column(Text)
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]


class EventRow(Row):
    """Transitions, numbered per subject."""

    __tablename__ = "events"

    subject_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    type: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class OutboxRow(Row):
    """Wake-ups committed with the work they announce."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_pending", "sent_at", "available_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    available_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class WebhookEndpointRow(Row):
    """Where tenants want to be told what happened."""

    __tablename__ = "webhook_endpoints"
    __table_args__ = (Index("ix_webhook_endpoints_listing", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]]
    # No check: its values may grow without a table that SQLite would have to rebuild.
    format: Mapped[str] = mapped_column(
        String(16), default=WebhookFormat.STANDARD, server_default="standard"
    )
    # Readable, because signing needs the secret itself.
    secret: Mapped[str] = mapped_column(String(100))
    previous_secret: Mapped[str | None] = mapped_column(String(100))
    previous_until: Mapped[datetime | None]
    enabled: Mapped[bool]
    disabled_reason: Mapped[str | None] = mapped_column(String(64))
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime]


class WebhookDeliveryRow(Row):
    """Messages to endpoints: committed with the event, sent afterwards, kept as a log."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        one_of("status", DeliveryStatus),
        Index("ix_webhook_deliveries_due", "status", "due_at"),
        Index("ix_webhook_deliveries_listing", "endpoint_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id"))
    event_type: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    # Of this body: the endpoint's may have been changed since.
    format: Mapped[str] = mapped_column(
        String(16), default=WebhookFormat.STANDARD, server_default="standard"
    )
    status: Mapped[str] = mapped_column(String(16))
    # Since it was made or replayed; `attempts` holds all there ever were.
    tries: Mapped[int]
    attempts: Mapped[list[dict[str, Any]]]
    due_at: Mapped[datetime]
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
