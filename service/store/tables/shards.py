"""Shards of divided jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.domain import ShardKind, ShardStatus
from service.store.tables.base import Row, one_of


class JobShardRow(Row):
    """Shards: the truth about each; what was made of one is a blob, named here until the end."""

    __tablename__ = "job_shards"
    __table_args__ = (
        one_of("kind", ShardKind),
        one_of("status", ShardStatus),
        Index("ix_job_shards_job", "job_id", "index", unique=True),
        Index("ix_job_shards_claim", "status", "job_id"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    index: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    layer: Mapped[int | None]
    first_row: Mapped[int | None] = mapped_column(BigInteger)
    last_row: Mapped[int | None] = mapped_column(BigInteger)
    # What the engine needs to do it, or says of what a merge left; of a finished job it is
    # forgotten, and so is the blob.
    document: Mapped[dict[str, Any] | None]
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    report: Mapped[dict[str, Any] | None]
    attempt: Mapped[int]
    worker: Mapped[str | None] = mapped_column(String(200))
    lease_token: Mapped[str | None] = mapped_column(String(64))
    lease_expires_at: Mapped[datetime | None]
    queued_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
