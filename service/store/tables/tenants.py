"""Tenants: their keys, their limits, and what is remembered of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.store.tables.base import Row


class TenantRow(Row):
    """Whose everything is."""

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime]
    # The tenant served longest ago is served next.
    last_served_at: Mapped[datetime | None]
    # What this tenant may do, where it differs from the service's settings.
    max_requests: Mapped[int | None]
    max_queued_jobs: Mapped[int | None]
    max_running_jobs: Mapped[int | None]
    max_stored_bytes: Mapped[int | None] = mapped_column(BigInteger)
    max_uploads: Mapped[int | None]


class RequestWindowRow(Row):
    """How many requests of a tenant were let in during its current window of time."""

    __tablename__ = "request_windows"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    window: Mapped[int] = mapped_column(BigInteger)
    used: Mapped[int]


class UploadSlotRow(Row):
    """Uploads under way; one whose process died frees its slot by expiring."""

    __tablename__ = "upload_slots"
    __table_args__ = (Index("ix_upload_slots_tenant", "tenant_id", "expires_at"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    expires_at: Mapped[datetime]


class ApiKeyRow(Row):
    """API keys."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[str] = mapped_column(String(64))
    # The secret before the last rotation, and until when it still opens the door.
    previous_hash: Mapped[str | None] = mapped_column(String(64))
    previous_until: Mapped[datetime | None]
    # Names in the order of KeyScope, separated by spaces.
    scopes: Mapped[str] = mapped_column(String(64), server_default="read write admin")
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class AuditRow(Row):
    """Who did what: every change that a key, or an operator, made on purpose."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_listing", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    # No foreign keys: the log outlives what it speaks of.
    key_id: Mapped[str | None] = mapped_column(String(32))
    request_id: Mapped[str | None] = mapped_column(String(128))
    action: Mapped[str] = mapped_column(String(64))
    subject_id: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class IdempotencyRow(Row):
    """Requests made under an Idempotency-Key; without a body while they are under way."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_expiry", "expires_at"),)

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    location: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime]
