"""How a job's row changes state: one conditional UPDATE, with its event in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, case, exists, null, select, update

from service.domain import (
    DeliveryStatus,
    JobKind,
    JobStatus,
    Problem,
    ShardStatus,
    statuses_before,
)
from service.domain.replicates import report_replicates
from service.store.scope import Scope
from service.store.tables import JobRow, JobShardRow, MlflowDeliveryRow

_EVENT_NAMES = {JobStatus.RUNNING: "job.started"}
TOLD = (JobStatus.SUCCEEDED, JobStatus.FAILED)
"""The ends of constructions that an MLflow server is told of."""
_NO_LEASE: dict[str, Any] = {"lease_token": None, "lease_expires_at": None, "worker": None}


def transition(
    scope: Scope,
    job_id: str,
    status: JobStatus,
    *conditions: ColumnElement[bool],
    values: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
) -> bool:
    """Enter `status` from any state that allows it, if the conditions hold; whether it did.

    Terminal states never change because no state lists them among its predecessors. The job that
    this one is a replicate of follows.
    """
    if not change_status(scope, job_id, status, *conditions, values=values, data=data):
        return False
    parent_id = scope.session.scalar(select(JobRow.parent_id).where(JobRow.id == job_id))
    if parent_id is not None and status is JobStatus.RUNNING:
        change_status(scope, parent_id, status, values={"started_at": scope.now()})
    elif parent_id is not None and status.terminal:
        settle(scope, parent_id)
    return True


def change_status(
    scope: Scope,
    job_id: str,
    status: JobStatus,
    *conditions: ColumnElement[bool],
    values: dict[str, Any] | None = None,
    data: dict[str, Any] | None = None,
) -> bool:
    """The same for this job alone: who changes replicates of one job has to `settle` it after all.

    Replicates are locked before the job that stands for them, or two transactions could wait for
    each other.
    """
    changes: dict[str, Any] = {"status": status} | (values or {})
    if status.terminal:
        changes |= {"finished_at": scope.now()} | _NO_LEASE
    elif status is JobStatus.QUEUED:
        changes |= _NO_LEASE
    changed = scope.change(
        update(JobRow)
        .where(JobRow.id == job_id, JobRow.status.in_(statuses_before(status)), *conditions)
        .values(changes)
    )
    if changed:
        job = select(JobRow.tenant_id, JobRow.shards, JobRow.kind, JobRow.parts)
        tenant_id, shards, kind, parts = scope.session.execute(job.where(JobRow.id == job_id)).one()
        if shards is not None and status.terminal:
            _end_shards(scope, job_id)
        # A job that stands for others has no result of its own.
        if kind == JobKind.CONSTRUCT and status in TOLD and parts is None:
            scope.insert(_delivery(scope, job_id))
        scope.emit(tenant_id, job_id, _EVENT_NAMES.get(status, f"job.{status}"), data or {})
    return bool(changed)


def settle(scope: Scope, parent_id: str) -> None:
    """Bring a job that stands for replicates to where they are; at its end once all are."""
    parent = scope.session.scalar(
        select(JobRow)
        .where(JobRow.id == parent_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if parent is None or JobStatus(parent.status).terminal:
        return
    theirs = JobRow.parent_id == parent_id
    statuses = scope.session.scalars(select(JobRow.status).where(theirs)).all()
    ended = sum(JobStatus(status).terminal for status in statuses)
    progress = {"stage": "replicates", "done": ended, "total": len(statuses)}
    scope.change(update(JobRow).where(JobRow.id == parent_id).values(progress))
    if ended < len(statuses):
        return
    replicates = scope.session.scalars(
        select(JobRow).where(theirs).order_by(JobRow.id).execution_options(populate_existing=True)
    ).all()
    status, values = _ending(JobStatus(parent.status), replicates)
    data = {"code": values["error_code"]} if "error_code" in values else {}
    change_status(scope, parent_id, status, values=values, data=data)


def cancel_divided(scope: Scope, job_id: str) -> bool:
    """Cancel a divided job that was asked to stop, once none of its shards is being built."""
    running = exists().where(
        JobShardRow.job_id == job_id, JobShardRow.status == ShardStatus.RUNNING
    )
    if not scope.session.scalar(select(running)):
        asked = JobRow.status == JobStatus.CANCELING
        transition(scope, job_id, JobStatus.CANCELED, asked, JobRow.lease_token.is_(None))
    return True


def _delivery(scope: Scope, job_id: str) -> MlflowDeliveryRow:
    """The row of a result that an MLflow server, where there is one, is told of."""
    return MlflowDeliveryRow(
        job_id=job_id,
        status=DeliveryStatus.PENDING,
        tries=0,
        due_at=scope.now(),
        run_id=None,
        error=None,
        lease_token=None,
        lease_expires_at=None,
    )


def _end_shards(scope: Scope, job_id: str) -> None:
    """Of a job that has ended, nothing more is built, and what was built is not needed."""
    unfinished = JobShardRow.status.in_((ShardStatus.WAITING, ShardStatus.RUNNING))
    scope.change(
        update(JobShardRow)
        .where(JobShardRow.job_id == job_id)
        .values(
            status=case((unfinished, ShardStatus.CANCELED), else_=JobShardRow.status),
            document=null(),
            sha256=None,
            lease_token=None,
            lease_expires_at=None,
        )
    )


def failure(problem: Problem) -> dict[str, Any]:
    """The columns that say why a job failed."""
    return {"error_code": problem.code, "error_detail": problem.detail}


def fail_waiting(scope: Scope, uses: ColumnElement[bool], problem: Problem) -> None:
    """Fail the queued jobs that use a rejected upload: they could never be claimed."""
    waiting = scope.session.execute(
        select(JobRow.id, JobRow.parent_id)
        .where(JobRow.status == JobStatus.QUEUED, JobRow.parts.is_(None), uses)
        .order_by(JobRow.id)
    ).all()
    values, data = failure(problem), {"code": problem.code}
    for job_id, _ in waiting:
        change_status(scope, job_id, JobStatus.FAILED, values=values, data=data)
    settle_all(scope, [parent_id for _, parent_id in waiting])


def settle_all(scope: Scope, parent_ids: Sequence[str | None]) -> None:
    """Settle each of these jobs once."""
    for parent_id in sorted({found for found in parent_ids if found is not None}):
        settle(scope, parent_id)


def _ending(parent: JobStatus, replicates: Sequence[JobRow]) -> tuple[JobStatus, dict[str, Any]]:
    """How a job ends whose replicates have all ended."""
    statuses = {JobStatus(row.status) for row in replicates}
    if statuses == {JobStatus.SUCCEEDED}:
        tickets = [
            {"job_id": row.id, "seed": row.spec["source"]["seed"], "ticket_id": row.ticket_id}
            for row in replicates
        ]
        return JobStatus.SUCCEEDED, {
            "report": report_replicates([row.report or {} for row in replicates], tickets)
        }
    if parent is JobStatus.CANCELING:
        return JobStatus.CANCELED, {}
    if parent is JobStatus.QUEUED and statuses == {JobStatus.CANCELED}:
        return JobStatus.CANCELED, {}
    failed = [row for row in replicates if row.status != JobStatus.SUCCEEDED]
    problem = _first_reason(failed, len(replicates))
    unstarted = parent is JobStatus.QUEUED and statuses == {JobStatus.EXPIRED}
    return JobStatus.EXPIRED if unstarted else JobStatus.FAILED, failure(problem)


def _first_reason(failed: Sequence[JobRow], number: int) -> Problem:
    """The reason of the first replicate that has one, and how many replicates have no ticket."""
    first = next((row for row in failed if row.error_code), failed[0])
    code = first.error_code or f"REPLICATE_{first.status.upper()}"
    seed = first.spec["source"]["seed"]
    detail = first.error_detail or f"it was {first.status}"
    return Problem(
        code,
        f"{len(failed)} of {number} replicates ended without a ticket. "
        f"Seed {seed} (job {first.id}): {detail}",
    )
