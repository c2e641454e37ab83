"""Limits of tenants: read, enforced, and what was used of them."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal,
    select,
    union_all,
)
from sqlalchemy import Date as SqlDate
from sqlalchemy.dialects import postgresql, sqlite

from service.domain import JobStatus, Limits, ShardStatus, Standing, UsageLine
from service.domain.limits import Grant
from service.errors import QuotaExceeded, StorageQuotaExceeded
from service.identifiers import new_id
from service.store.scope import Scope
from service.store.tables import (
    CheckpointRow,
    DatasetRow,
    JobRow,
    JobShardRow,
    RequestWindowRow,
    ResumableUploadRow,
    TenantRow,
    TicketExportRow,
    TicketRow,
    UploadSlotRow,
)

_AT_WORK = (JobStatus.RUNNING, JobStatus.CANCELING)
_JOB_PATIENCE, _UPLOAD_PATIENCE = 10, 5
# Concurrent submissions that could all see the same count; nearer to the limit they take turns.
_CROWD = 64
_SLOT_SECONDS = 900.0
# A job that stands for several replicates takes no worker: its replicates are what counts.
_RUN_BY_WORKERS = JobRow.parts.is_(None)


def limits_of(scope: Scope, tenant_id: str, *, lock: bool = False) -> Limits:
    """The tenant's limits; with `lock`, others that ask so wait for this transaction."""
    query = select(TenantRow).where(TenantRow.id == tenant_id)
    if lock:
        query = query.with_for_update(key_share=True)
    row = scope.session.scalars(query).one()
    default = scope.limits
    return Limits(
        requests=_first(row.max_requests, default.requests),
        window_seconds=default.window_seconds,
        queued_jobs=_first(row.max_queued_jobs, default.queued_jobs),
        running_jobs=_first(row.max_running_jobs, default.running_jobs),
        stored_bytes=_first(row.max_stored_bytes, default.stored_bytes),
        uploads=_first(row.max_uploads, default.uploads),
    )


def check_queued(scope: Scope, tenant_id: str, more: int) -> None:
    """Raise QuotaExceeded if the tenant may not queue so many jobs more."""
    limit, queued = _count_queued(scope, tenant_id)
    if queued + more * _CROWD <= limit:
        return
    limits_of(scope, tenant_id, lock=True)
    limit, queued = _count_queued(scope, tenant_id)
    if queued + more > limit:
        raise QuotaExceeded("queued jobs", limit, _JOB_PATIENCE)


def check_stored(scope: Scope, tenant_id: str, more: int) -> None:
    """Raise StorageQuotaExceeded unless the tenant may store so many bytes more."""
    limit, stored = limits_of(scope, tenant_id).stored_bytes, _stored(scope, tenant_id)
    if stored + more > limit:
        raise StorageQuotaExceeded(limit, stored)


def tenants_at_work(limits: Limits) -> Select[Any]:
    """The tenants that run as many jobs and shards as they may: no more of theirs is claimed."""
    allowed = func.coalesce(TenantRow.max_running_jobs, limits.running_jobs)
    # A divided job has no lease: its shards are what is run.
    leased = JobRow.lease_token.is_not(None)
    jobs = select(JobRow.tenant_id).where(JobRow.status.in_(_AT_WORK), _RUN_BY_WORKERS, leased)
    shards = (
        select(JobRow.tenant_id)
        .join(JobShardRow, JobShardRow.job_id == JobRow.id)
        .where(JobShardRow.status == ShardStatus.RUNNING)
    )
    run = union_all(jobs, shards).subquery()
    return (
        select(TenantRow.id)
        .join(run, run.c.tenant_id == TenantRow.id)
        .group_by(TenantRow.id, TenantRow.max_running_jobs)
        .having(func.count() >= allowed)
    )


class QuotaRepository:
    """Counts requests and uploads, sets limits, and tells what was used."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def limits(self, tenant_id: str) -> Limits:
        """The tenant's limits."""
        return limits_of(self._scope, tenant_id)

    def set_limits(self, tenant_id: str, changes: dict[str, int | None]) -> None:
        """Set limits by the names of `Limits`; None: as the service's settings say."""
        row = self._scope.session.get_one(TenantRow, tenant_id)
        for name, value in changes.items():
            setattr(row, f"max_{name}", value)
        self._scope.session.flush()
        self._scope.audit(tenant_id, tenant_id, "tenant.limited", dict(changes))

    def take_requests(self, tenant_id: str) -> Grant:
        """A share of the tenant's requests for one process, a hundredth at a time.

        Shares keep the count exact over all processes at one write per hundred requests or so.
        What a process does not use of its share is lost to the others until the window ends.
        """
        limits = limits_of(self._scope, tenant_id)
        wanted = max(1, limits.requests // 100)
        moment = self._scope.now().timestamp()
        window = int(moment // limits.window_seconds)
        used = self._add_used(tenant_id, window, wanted)
        return Grant(
            limit=limits.requests,
            window_seconds=limits.window_seconds,
            granted=max(0, min(wanted, limits.requests - (used - wanted))),
            used=min(used, limits.requests),
            seconds_left=(window + 1) * limits.window_seconds - moment,
        )

    def open_slot(self, tenant_id: str, more: int = 1) -> str:
        """Begin an upload of at least so many bytes that are not counted yet.

        Raises QuotaExceeded, or StorageQuotaExceeded where they do not fit.
        """
        limit = limits_of(self._scope, tenant_id, lock=True).uploads
        check_stored(self._scope, tenant_id, more)
        own = UploadSlotRow.tenant_id == tenant_id
        now = self._scope.now()
        self._scope.change(delete(UploadSlotRow).where(own, UploadSlotRow.expires_at < now))
        if (self._scope.session.scalar(select(func.count()).where(own)) or 0) >= limit:
            raise QuotaExceeded("uploads under way", limit, _UPLOAD_PATIENCE)
        row = UploadSlotRow(
            id=new_id("slt"), tenant_id=tenant_id, expires_at=self._scope.after(_SLOT_SECONDS)
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        return row.id

    def close_slot(self, slot_id: str) -> None:
        """End an upload."""
        self._scope.change(delete(UploadSlotRow).where(UploadSlotRow.id == slot_id))

    def standing(self, tenant_id: str) -> Standing:
        """What the tenant has now."""
        counted = (
            select(JobRow.status, func.count())
            .where(JobRow.tenant_id == tenant_id, _RUN_BY_WORKERS)
            .group_by(JobRow.status)
        )
        counts = {row[0]: row[1] for row in self._scope.session.execute(counted)}
        return Standing(
            queued_jobs=counts.get(JobStatus.QUEUED, 0),
            running_jobs=sum(counts.get(status, 0) for status in _AT_WORK),
            stored_bytes=_stored(self._scope, tenant_id),
            exported_bytes=_exported(self._scope, tenant_id),
        )

    def today(self) -> date:
        """The database's day, UTC."""
        return self._scope.now().date()

    def usage(self, tenant_id: str, start: date, end: date) -> list[UsageLine]:
        """The tenant's jobs by day of submission and kind, both days included."""
        day = self._day(JobRow.created_at)
        began = datetime.combine(start, time(), UTC)
        ended = datetime.combine(end, time(), UTC) + timedelta(days=1)
        query = (
            select(
                day,
                JobRow.kind,
                func.count(),
                func.count().filter(JobRow.status == JobStatus.SUCCEEDED),
                func.count().filter(JobRow.status == JobStatus.FAILED),
                func.sum(run_seconds(self._scope)),
            )
            .where(JobRow.tenant_id == tenant_id, JobRow.created_at >= began, _RUN_BY_WORKERS)
            .where(JobRow.created_at < ended)
            .group_by(day, JobRow.kind)
            .order_by(day, JobRow.kind)
        )
        return [
            UsageLine(
                day=found if isinstance(found, date) else date.fromisoformat(found),
                kind=kind,
                jobs=jobs,
                succeeded=succeeded,
                failed=failed,
                seconds=round(float(seconds or 0.0), 3),
            )
            for found, kind, jobs, succeeded, failed, seconds in self._scope.session.execute(query)
        ]

    def _add_used(self, tenant_id: str, window: int, more: int) -> int:
        insert = sqlite.insert if self._scope.is_sqlite else postgresql.insert
        added = insert(RequestWindowRow).values(tenant_id=tenant_id, window=window, used=more)
        row = RequestWindowRow
        counted = added.on_conflict_do_update(
            index_elements=[row.tenant_id],
            set_={
                # A process whose window is over counts into the newer one.
                "used": _if(row.window >= window, row.used + more, literal(more)),
                "window": _if(row.window >= window, row.window, literal(window)),
            },
        ).returning(row.used)
        return self._scope.session.execute(counted).scalar_one()

    def _day(self, column: Any) -> ColumnElement[Any]:
        if self._scope.is_sqlite:
            return func.date(column)
        return cast(func.timezone("UTC", column), SqlDate)


def run_seconds(scope: Scope) -> ColumnElement[Any]:
    """How long a finished job ran, in SQL; NULL for others."""
    if scope.is_sqlite:
        days = func.julianday(JobRow.finished_at) - func.julianday(JobRow.started_at)
        return days * 86400.0
    return func.extract("epoch", JobRow.finished_at - JobRow.started_at)


def _first(own: int | None, default: int) -> int:
    return default if own is None else own


def _if(condition: ColumnElement[bool], then: Any, otherwise: Any) -> Any:
    return case((condition, then), else_=otherwise)


def _count_queued(scope: Scope, tenant_id: str) -> tuple[int, int]:
    """How many jobs the tenant may have queued, and how many it has, up to that number."""
    asked = {"tenant_id": tenant_id, "default": scope.limits.queued_jobs}
    found = scope.connection().execute(_counting(scope.clock()), asked).one()
    scope.take_time(found[2])
    return found[0], found[1]


@lru_cache(maxsize=2)
def _counting(clock: ColumnElement[Any]) -> Select[Any]:
    """One question instead of three, put together once: every submission asks it."""
    own: BindParameter[str] = bindparam("tenant_id")
    queued = JobRow.status == JobStatus.QUEUED
    allowed = func.coalesce(TenantRow.max_queued_jobs, bindparam("default", type_=Integer))
    limit = select(allowed).where(TenantRow.id == own).scalar_subquery()
    waiting = (
        select(literal(1)).where(JobRow.tenant_id == own, queued, _RUN_BY_WORKERS).limit(limit)
    )
    counted = select(func.count()).select_from(waiting.subquery()).scalar_subquery()
    return select(limit, counted, clock)


def _stored(scope: Scope, tenant_id: str) -> int:
    """Bytes of what the tenant has, and of what its unfinished uploads announce."""
    announced = select(func.coalesce(func.sum(ResumableUploadRow.length), 0)).where(
        ResumableUploadRow.tenant_id == tenant_id, ResumableUploadRow.resource_id.is_(None)
    )
    total = math.floor(scope.session.scalar(announced) or 0)
    for row in (CheckpointRow, DatasetRow, TicketRow):
        held = select(func.coalesce(func.sum(row.bytes), 0)).where(row.tenant_id == tenant_id)
        if row is not TicketRow:
            held = held.where(row.status != "rejected", row.deleted_at.is_(None))  # type: ignore[union-attr]
        total += math.floor(scope.session.scalar(held) or 0)
    return total + _exported(scope, tenant_id)


def _exported(scope: Scope, tenant_id: str) -> int:
    held = (
        select(func.coalesce(func.sum(TicketExportRow.bytes), 0))
        .join(TicketRow, TicketRow.id == TicketExportRow.ticket_id)
        .where(TicketRow.tenant_id == tenant_id)
    )
    return math.floor(scope.session.scalar(held) or 0)
