"""Which shards can be taken, who holds one, and what a row says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import aliased

from service.domain import MERGES, JobStatus, Shard, ShardKind, ShardStatus
from service.store.tables import CheckpointRow, DatasetRow, JobRow, JobShardRow, TenantRow

KNOWN_KINDS = tuple(ShardKind)
"""A newer release may plan others, which its own workers take."""
UNFINISHED = (ShardStatus.WAITING, ShardStatus.RUNNING)


def claimable(*columns: Any) -> Select[Any]:
    """Waiting shards of running jobs; a merge once those before it are done."""
    return (
        select(*columns)
        .join(JobRow, JobRow.id == JobShardRow.job_id)
        .join(TenantRow, TenantRow.id == JobRow.tenant_id)
        .outerjoin(CheckpointRow, CheckpointRow.id == JobRow.checkpoint_id)
        .outerjoin(DatasetRow, DatasetRow.id == JobRow.dataset_id)
        .where(
            JobShardRow.status == ShardStatus.WAITING,
            JobShardRow.kind.in_(KNOWN_KINDS),
            JobRow.status == JobStatus.RUNNING,
            or_(JobShardRow.kind.not_in(MERGES), ~held_up()),
        )
    )


def held_up() -> ColumnElement[bool]:
    """Whether a shard before it is not finished; checks hold up the conclusion alone."""
    earlier = aliased(JobShardRow)
    return exists().where(
        earlier.job_id == JobShardRow.job_id,
        earlier.index < JobShardRow.index,
        earlier.status.in_(UNFINISHED),
        or_(earlier.kind != ShardKind.CHECK, JobShardRow.kind == ShardKind.CONCLUDE),
    )


def shard_held(shard_id: str, lease_token: str) -> ColumnElement[bool]:
    """Whether a shard runs under this lease."""
    return and_(
        JobShardRow.id == shard_id,
        JobShardRow.lease_token == lease_token,
        JobShardRow.status == ShardStatus.RUNNING,
    )


def shard_record(row: JobShardRow) -> Shard:
    """The domain's form of a row."""
    alike = ("index", "layer", "first_row", "last_row", "attempt", "worker", "report")
    return Shard(
        kind=ShardKind(row.kind),
        status=ShardStatus(row.status),
        started_at=row.started_at,
        finished_at=row.finished_at,
        **{name: getattr(row, name) for name in alike},
    )
