"""Uploaded files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from service.domain import CheckpointStatus
from service.store.tables.base import Row, one_of


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
    # The row stays: finished jobs and tickets name it. Nothing else sees it.
    deleted_at: Mapped[datetime | None]


def _upload_constraints(table: str) -> tuple[CheckConstraint, Index, Index]:
    """Known states; one upload of a content per tenant that is of use; the queue to validate."""
    kept = text("status <> 'rejected' AND deleted_at IS NULL")
    waiting = text("status = 'validating'")
    return (
        one_of("status", CheckpointStatus),
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


class ResumableUploadRow(Row):
    """Files that arrive in pieces, until they expire; without `resource_id` while unfinished."""

    __tablename__ = "resumable_uploads"
    __table_args__ = (
        CheckConstraint("kind IN ('checkpoint', 'dataset')", name="kind"),
        Index("ix_resumable_uploads_tenant", "tenant_id", "resource_id"),
        Index("ix_resumable_uploads_expiry", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    # As the client sent it: HEAD has to repeat it.
    upload_metadata: Mapped[str] = mapped_column(Text)
    length: Mapped[int] = mapped_column(BigInteger)
    offset: Mapped[int] = mapped_column(BigInteger)
    # No foreign key: what the file became may be deleted before the upload expires.
    resource_id: Mapped[str | None] = mapped_column(String(32))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
