"""Jobs as workers see them: claim, heartbeat, finish, give back; every write names its lease."""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, update

from service.domain import (
    CheckpointStatus,
    ClaimedJob,
    JobDevice,
    JobStatus,
    LeaseState,
    Problem,
    Progress,
)
from service.store.claim_order import Rank, claim_order, rank
from service.store.job_records import record
from service.store.job_transitions import change_status, failure, settle_all, transition
from service.store.quotas import tenants_at_work
from service.store.scope import Scope
from service.store.tables import CheckpointRow, DatasetRow, JobRow, TenantRow

_LEASED = (JobStatus.RUNNING, JobStatus.CANCELING)
_NO_PROGRESS: dict[str, Any] = {"stage": "queued", "done": 0, "total": 0}
_TOO_LATE = Problem(
    "QUEUE_TIMEOUT",
    "No worker was free for the job within its queue_timeout_s. Raise it, or add workers.",
)


class JobLeases:
    """The worker's side of jobs."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def claim(
        self, worker: str, lease_seconds: float, device: JobDevice = JobDevice.CPU
    ) -> ClaimedJob | None:
        """The next job for a place whose inputs are ready: by priority, tenant's turn, then age.

        A place with a CUDA `device` takes the jobs that want one, the others those that do not;
        both take those that leave it open.

        `claim_order` has the details.
        """
        columns = (JobRow, CheckpointRow.canonical_sha256, DatasetRow.canonical_sha256)
        found = self._scope.session.execute(
            self._in_turn(device, *columns).with_for_update(of=JobRow, skip_locked=True)
        ).first()
        if found is None:
            return None
        row, checkpoint_sha256, dataset_sha256 = found
        self._scope.change(
            update(TenantRow)
            .where(TenantRow.id == row.tenant_id)
            .values(last_served_at=self._scope.now())
        )
        lease_token = secrets.token_hex(16)
        self._start(row, worker, lease_token, lease_seconds)
        return ClaimedJob(
            record(row),
            lease_token,
            checkpoint_sha256,
            dataset_sha256,
            row.request_id,
            row.traceparent,
        )

    def foremost(self, device: JobDevice) -> Rank | None:
        """Where the next job for a place stands among all work; None without one."""
        found = self._scope.session.execute(
            self._in_turn(device, JobRow, TenantRow.last_served_at)
        ).first()
        return None if found is None else rank(*found)

    def lease_state(self, job_id: str, lease_token: str) -> LeaseState:
        """Whether the lease is held and the job still wanted; writes nothing."""
        status = self._scope.session.scalar(select(JobRow.status).where(_held(job_id, lease_token)))
        match status:
            case JobStatus.RUNNING:
                return LeaseState.HELD
            case JobStatus.CANCELING:
                return LeaseState.CANCEL_REQUESTED
            case _:
                return LeaseState.LOST

    def heartbeat(
        self, job_id: str, lease_token: str, lease_seconds: float, progress: Progress | None
    ) -> LeaseState:
        """Renew the lease, note the progress, and learn whether the job is still wanted.

        A new stage is an event; progress within one is not.
        """
        held = _held(job_id, lease_token)
        values: dict[str, Any] = {"lease_expires_at": self._scope.after(lease_seconds)}
        before = None
        if progress is not None:
            before = self._scope.session.execute(
                select(JobRow.tenant_id, JobRow.stage).where(held).with_for_update()
            ).first()
            values |= {"stage": progress.stage, "done": progress.done, "total": progress.total}
        self._scope.change(update(JobRow).where(held).values(values))
        if progress is not None and before is not None and before.stage != progress.stage:
            data = {"stage": progress.stage, "fraction": progress.fraction}
            self._scope.emit(before.tenant_id, job_id, "job.progress", data)
        return self.lease_state(job_id, lease_token)

    def succeed(
        self, job_id: str, lease_token: str, ticket_id: str | None, report: dict[str, Any]
    ) -> bool:
        """Finish with a report and, where the kind brings one, a ticket.

        False: the lease is lost, so roll back what came with it.
        """
        done = {"ticket_id": ticket_id, "report": report, "stage": "done", "done": 1, "total": 1}
        data = {} if ticket_id is None else {"ticket_id": ticket_id}
        return self._finish(job_id, lease_token, JobStatus.SUCCEEDED, done, data)

    def fail(self, job_id: str, lease_token: str, problem: Problem) -> bool:
        """Finish with the reason why there is no result; False: the lease is lost."""
        data = {"code": problem.code}
        return self._finish(job_id, lease_token, JobStatus.FAILED, failure(problem), data)

    def cancel_running(self, job_id: str, lease_token: str) -> bool:
        """Finish a job that was asked to stop; False: it was not, or the lease is lost."""
        return self._finish(job_id, lease_token, JobStatus.CANCELED, {}, {})

    def release(self, job_id: str, lease_token: str, reason: Problem, count_attempt: bool) -> bool:
        """Give a job back to the queue, or end it where it was canceled or has no attempt left.

        A counted attempt is one that died under way; a drained worker's is not counted.
        """
        row = self._scope.session.scalar(
            select(JobRow).where(_held(job_id, lease_token)).with_for_update()
        )
        if row is None:
            return False
        self._give_back(row, reason, count_attempt)
        return True

    def reap(self) -> list[str]:
        """Recover jobs whose lease ended without a word; their ids."""
        rows = self._scope.session.scalars(
            select(JobRow)
            .where(JobRow.status.in_(_LEASED), JobRow.lease_expires_at < self._scope.now())
            .with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            self._give_back(row, _worker_lost(row), count_attempt=True)
        return [row.id for row in rows]

    def expire(self, limit: int = 200) -> list[str]:
        """End jobs that waited in the queue for longer than they were allowed to; their ids."""
        late = self._scope.session.execute(
            select(JobRow.id, JobRow.parent_id)
            .where(
                JobRow.status == JobStatus.QUEUED,
                JobRow.parts.is_(None),
                JobRow.queue_deadline < self._scope.now(),
            )
            .order_by(JobRow.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        ).all()
        data = {"code": _TOO_LATE.code}
        for job_id, _ in late:
            values = failure(_TOO_LATE)
            change_status(self._scope, job_id, JobStatus.EXPIRED, values=values, data=data)
        settle_all(self._scope, [parent_id for _, parent_id in late])
        return [job_id for job_id, _ in late]

    def waiting(self, older_than_seconds: float, device: JobDevice) -> bool:
        """Whether a job for such a place has been queued for this long and could run."""
        old = JobRow.queued_at < self._scope.after(-older_than_seconds)
        wanted = JobRow.device.in_((device, JobDevice.AUTO))
        query = self._claimable(JobRow.id).where(old, wanted).limit(1)
        return self._scope.session.scalar(query) is not None

    def lease_tokens(self) -> set[str]:
        """The tokens of all leases held now: scratch folders of others are litter."""
        held = select(JobRow.lease_token).where(JobRow.status.in_(_LEASED))
        return {token for token in self._scope.session.scalars(held) if token is not None}

    def _start(self, row: JobRow, worker: str, lease_token: str, lease_seconds: float) -> None:
        now, attempt = self._scope.now(), row.attempt + 1
        values = {
            "attempt": attempt,
            "worker": worker,
            "lease_token": lease_token,
            "lease_expires_at": self._scope.after(lease_seconds),
            "started_at": row.started_at or now,
        }
        data = {"worker": worker, "attempt": attempt}
        transition(self._scope, row.id, JobStatus.RUNNING, values=values | _NO_PROGRESS, data=data)
        self._scope.session.refresh(row)

    def _finish(
        self,
        job_id: str,
        lease_token: str,
        status: JobStatus,
        values: dict[str, Any],
        data: dict[str, Any],
    ) -> bool:
        held = JobRow.lease_token == lease_token
        return transition(self._scope, job_id, status, held, values=values, data=data)

    def _give_back(self, row: JobRow, reason: Problem, count_attempt: bool) -> None:
        held = JobRow.lease_token == row.lease_token
        data = {"code": reason.code}
        if row.status == JobStatus.CANCELING:
            transition(self._scope, row.id, JobStatus.CANCELED, held)
        elif count_attempt and row.attempt >= row.max_attempts:
            values = failure(reason)
            transition(self._scope, row.id, JobStatus.FAILED, held, values=values, data=data)
        else:
            values = {"attempt": row.attempt - (not count_attempt)} | _NO_PROGRESS
            if row.queue_timeout_s is not None:
                values["queue_deadline"] = self._scope.after(row.queue_timeout_s)
            transition(self._scope, row.id, JobStatus.QUEUED, held, values=values, data=data)
            self._scope.announce(JobDevice(row.device).value)

    def _in_turn(self, device: JobDevice, *columns: Any) -> Select[Any]:
        """The next job for a place."""
        return (
            self._claimable(*columns)
            .where(
                JobRow.device.in_((device, JobDevice.AUTO)),
                JobRow.tenant_id.not_in(tenants_at_work(self._scope.limits)),
            )
            .order_by(*claim_order())
            .limit(1)
        )

    def _claimable(self, *columns: Any) -> Select[Any]:
        """Queued jobs in time whose checkpoint and data set, where they name one, are ready."""
        deadline = JobRow.queue_deadline
        return (
            select(*columns)
            .join(TenantRow, TenantRow.id == JobRow.tenant_id)
            .outerjoin(CheckpointRow, CheckpointRow.id == JobRow.checkpoint_id)
            .outerjoin(DatasetRow, DatasetRow.id == JobRow.dataset_id)
            .where(
                JobRow.status == JobStatus.QUEUED,
                JobRow.parts.is_(None),
                or_(deadline.is_(None), deadline >= self._scope.now()),
                or_(JobRow.checkpoint_id.is_(None), CheckpointRow.status == CheckpointStatus.READY),
                or_(JobRow.dataset_id.is_(None), DatasetRow.status == CheckpointStatus.READY),
            )
        )


def _held(job_id: str, lease_token: str) -> ColumnElement[bool]:
    return and_(JobRow.id == job_id, JobRow.lease_token == lease_token, JobRow.status.in_(_LEASED))


def _worker_lost(row: JobRow) -> Problem:
    return Problem(
        "WORKER_LOST",
        f"The worker stopped answering in attempt {row.attempt} of {row.max_attempts}. If this "
        "repeats, look at the workers' logs and memory, then submit the job again.",
    )
