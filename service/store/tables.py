"""The tables. Nothing outside `service.store` sees a row; repositories hand out records.

SQLite and PostgreSQL share them. `migrations/` is their history, and a test keeps the two equal.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    String,
    Text,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from service.domain import CheckpointStatus, JobKind, JobStatus


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware UTC on both databases; SQLite itself would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database, as UTC."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, with its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Row(DeclarativeBase):
    """Base of all rows: constraint names are fixed, as SQLite can only alter what has a name."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it from the class
        datetime: UtcDateTime(),
        dict[str, Any]: JSON(none_as_null=True),
        dict[str, str]: JSON(none_as_null=True),
    }


class TenantRow(Row):
    """Whose everything is."""

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime]
    # The tenant served longest ago is served next.
    last_served_at: Mapped[datetime | None]


class ApiKeyRow(Row):
    """API keys."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    secret_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class UploadColumns:
    """What checkpoints and data sets have in common."""

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    canonical_sha256: Mapped[str | None] = mapped_column(String(64))
    summary: Mapped[dict[str, Any] | None]
    rejection_code: Mapped[str | None] = mapped_column(String(64))
    rejection_detail: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    attempt: Mapped[int]
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]


def _upload_constraints(table: str) -> tuple[CheckConstraint, Index, Index]:
    """Known states; one upload per content and tenant, unless rejected; the queue to validate."""
    kept, waiting = text("status <> 'rejected'"), text("status = 'validating'")
    return (
        _one_of("status", CheckpointStatus),
        Index(
            f"uq_{table}_content",
            "tenant_id",
            "sha256",
            unique=True,
            sqlite_where=kept,
            postgresql_where=kept,
        ),
        Index(
            f"ix_{table}_validating", "created_at", sqlite_where=waiting, postgresql_where=waiting
        ),
    )


class CheckpointRow(UploadColumns, Row):
    """Uploaded target networks."""

    __tablename__ = "checkpoints"
    __table_args__ = _upload_constraints("checkpoints")


class DatasetRow(UploadColumns, Row):
    """Uploaded data sets."""

    __tablename__ = "datasets"
    __table_args__ = _upload_constraints("datasets")


class JobRow(Row):
    """Jobs: the truth about each."""

    __tablename__ = "jobs"
    __table_args__ = (
        _one_of("status", JobStatus),
        _one_of("kind", JobKind),
        CheckConstraint("(kind = 'statistics') = (checkpoint_id IS NULL)", name="checkpoint"),
        CheckConstraint("(kind = 'estimate') = (replicates IS NOT NULL)", name="replicates"),
        Index("ix_jobs_claim", "status", "queued_at"),
        Index("ix_jobs_listing", "tenant_id", "id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[str] = mapped_column(String(16))
    checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id"), index=True)
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("datasets.id"), index=True)
    spec: Mapped[dict[str, Any]]
    replicates: Mapped[int | None]
    status: Mapped[str] = mapped_column(String(16))
    attempt: Mapped[int]
    max_attempts: Mapped[int]
    stage: Mapped[str] = mapped_column(String(32))
    done: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_detail: Mapped[str | None] = mapped_column(Text)
    # No foreign key: tickets.job_id is the constraint, and two would form a circle.
    ticket_id: Mapped[str | None] = mapped_column(String(32))
    report: Mapped[dict[str, Any] | None]
    labels: Mapped[dict[str, str]]
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]


class TicketRow(Row):
    """Finished tickets; one per job."""

    __tablename__ = "tickets"
    __table_args__ = (Index("ix_tickets_listing", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    checkpoint_id: Mapped[str] = mapped_column(ForeignKey("checkpoints.id"), index=True)
    digest: Mapped[str] = mapped_column(String(80))
    sha256: Mapped[str] = mapped_column(String(64))
    bytes: Mapped[int] = mapped_column(BigInteger)
    report: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]


class TicketChunkRow(Row):
    """The bytes of ticket files, in pieces that fit comfortably in memory."""

    __tablename__ = "ticket_chunks"

    ticket_id: Mapped[str] = mapped_column(ForeignKey("tickets.id"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


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


class LeaderRow(Row):
    """Who leads, until when."""

    __tablename__ = "leaders"

    role: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(200))
    lease_expires_at: Mapped[datetime]
