"""Jobs, their batches and their logs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.domain import JobKind, JobStatus
from service.store.tables.base import Row, one_of


class JobRow(Row):
    """Jobs: the truth about each."""

    __tablename__ = "jobs"
    __table_args__ = (
        one_of("status", JobStatus),
        one_of("kind", JobKind),
        CheckConstraint(
            "(kind IN ('statistics', 'export', 'compare')) = (checkpoint_id IS NULL)",
            name="checkpoint",
        ),
        CheckConstraint("(kind = 'estimate') = (replicates IS NOT NULL)", name="replicates"),
        Index("ix_jobs_claim", "status", "queued_at"),
        Index("ix_jobs_listing", "tenant_id", "id"),
        Index("ix_jobs_parent", "parent_id"),
        Index("ix_jobs_batch", "batch_id", "id"),
        Index("ix_jobs_quota", "tenant_id", "status"),
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
    priority: Mapped[int] = mapped_column(default=0, server_default="0")
    device: Mapped[str] = mapped_column(String(8), default="cpu", server_default="cpu")
    timeout_s: Mapped[float | None]
    queue_timeout_s: Mapped[float | None]
    # A job still queued then expires.
    queue_deadline: Mapped[datetime | None]
    cancel_reason: Mapped[str | None] = mapped_column(Text)
    # Jobs may be deleted while others still name them, so these three are no foreign keys.
    retry_of: Mapped[str | None] = mapped_column(String(32))
    parent_id: Mapped[str | None] = mapped_column(String(32))
    batch_id: Mapped[str | None] = mapped_column(String(32))
    # The request that submitted it, and its place in a trace: what the job leads to in logs and
    # traces is found by them.
    request_id: Mapped[str | None] = mapped_column(String(128))
    traceparent: Mapped[str | None] = mapped_column(String(64))
    # Of a divided job: how many shards there are or will be, and how many of them are built.
    shards: Mapped[int | None]
    shards_done: Mapped[int | None]
    # How many jobs this one stands for; null for a job that a worker runs.
    parts: Mapped[int | None]
    created_at: Mapped[datetime]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]


class JobLogRow(Row):
    """What jobs wrote to their logs, in the pieces in which it came."""

    __tablename__ = "job_logs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    index: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class BatchRow(Row):
    """Batches of jobs; what became of them is asked of the jobs."""

    __tablename__ = "batches"
    __table_args__ = (Index("ix_batches_listing", "tenant_id", "id"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(Text)
    request: Mapped[dict[str, Any]]
    total: Mapped[int]
    created_at: Mapped[datetime]
