"""How a job's row changes state: one conditional UPDATE, with its event in the same transaction."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, select, update

from service.domain import JobStatus, Problem, statuses_before
from service.store.scope import Scope
from service.store.tables import JobRow

_EVENT_NAMES = {JobStatus.RUNNING: "job.started"}
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

    Terminal states never change because no state lists them among its predecessors.
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
        tenant_id = scope.session.scalars(select(JobRow.tenant_id).where(JobRow.id == job_id)).one()
        scope.emit(tenant_id, job_id, _EVENT_NAMES.get(status, f"job.{status}"), data or {})
    return bool(changed)


def failure(problem: Problem) -> dict[str, Any]:
    """The columns that say why a job failed."""
    return {"error_code": problem.code, "error_detail": problem.detail}


def fail_waiting(scope: Scope, uses: ColumnElement[bool], problem: Problem) -> None:
    """Fail the queued jobs that use a rejected upload: they could never be claimed."""
    waiting = select(JobRow.id).where(JobRow.status == JobStatus.QUEUED, uses)
    for job_id in scope.session.scalars(waiting).all():
        transition(
            scope,
            job_id,
            JobStatus.FAILED,
            values=failure(problem),
            data={"code": problem.code},
        )
