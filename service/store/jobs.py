"""Jobs as tenants see them: submit, look, change, cancel, submit again, delete."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sqlalchemy import Row as FoundRow
from sqlalchemy import bindparam, delete, select, update

from service.domain import CheckpointStatus, Job, JobDevice, JobFilter, JobRequest, JobStatus
from service.errors import Conflict, NotFound, UploadRejected
from service.identifiers import new_id
from service.store.actors import Actor, current_actor
from service.store.job_leases import JobLeases
from service.store.job_records import record, request_of
from service.store.job_transitions import cancel_divided, change_status, settle
from service.store.quotas import check_queued
from service.store.tables import (
    CheckpointRow,
    DatasetRow,
    EventRow,
    JobLogRow,
    JobRow,
    JobShardRow,
    Row,
    TicketRow,
)
from service.store.workers import NO_CUDA_WORKER, WorkerRepository

UploadRow = TypeVar("UploadRow", CheckpointRow, DatasetRow)

_ONE = select(JobRow.__table__).where(JobRow.id == bindparam("job_id"))

# One wake-up for each worker there may be: each works until nothing is left.
_MOST_WAKE_UPS = 64


class JobRepository(JobLeases):
    """Submits, shows, changes, cancels, and (inherited) claims and finishes jobs."""

    def add(self, tenant_id: str, request: JobRequest, *, retry_of: str | None = None) -> Job:
        """A queued job and its wake-up; raises NotFound or UploadRejected for its inputs.

        Raises Conflict if it insists on a CUDA device and no worker with one is known.
        A construction of several replicates becomes a job that stands for one job for each.
        """
        self.check_inputs(tenant_id, request)
        single = request.single()
        if len(single) == 1:
            return self._insert(tenant_id, [replace(request, spec=single[0].spec)], retry_of)[0]
        standing = self._row(tenant_id, request)
        standing.retry_of, standing.parts = retry_of, len(single)
        standing.stage, standing.total = "replicates", len(single)
        self._save([standing])
        self._insert(tenant_id, single, parent_id=standing.id)
        return record(standing)

    def add_many(
        self, tenant_id: str, requests: Sequence[JobRequest], batch_id: str
    ) -> Sequence[Job]:
        """Queued jobs of a batch; their inputs are checked and each has one source."""
        return self._insert(tenant_id, requests, batch_id=batch_id)

    def check_inputs(self, tenant_id: str, request: JobRequest) -> None:
        """Raises NotFound, UploadRejected or Conflict unless what the request names is there."""
        WorkerRepository(self._scope).check_device(request.device)
        if request.checkpoint_id is not None:
            self._check_upload(CheckpointRow, "checkpoint", tenant_id, request.checkpoint_id)
        if request.dataset_id is not None:
            self._check_upload(DatasetRow, "dataset", tenant_id, request.dataset_id)

    def get(self, tenant_id: str, job_id: str) -> Job:
        """One job of the tenant; raises NotFound."""
        # Past the session, which takes three times as long: clients ask for this most of all.
        row = self._scope.connection().execute(_ONE, {"job_id": job_id}).one_or_none()
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("job", job_id)
        return self._records([row])[0]

    def list(
        self,
        tenant_id: str,
        limit: int,
        after: str | None = None,
        wanted: JobFilter = JobFilter(),  # noqa: B008 - frozen
    ) -> Sequence[Job]:
        """Jobs of the tenant, newest first, starting below the id `after`."""
        query = select(JobRow).where(JobRow.tenant_id == tenant_id)
        if after is not None:
            query = query.where(JobRow.id < after)
        for column, value in (
            (JobRow.status, wanted.status),
            (JobRow.kind, wanted.kind),
            (JobRow.checkpoint_id, wanted.checkpoint_id),
            (JobRow.batch_id, wanted.batch_id),
            (JobRow.parent_id, wanted.parent_id),
        ):
            if value is not None:
                query = query.where(column == value)
        if wanted.created_after is not None:
            query = query.where(JobRow.created_at >= wanted.created_after)
        if wanted.created_before is not None:
            query = query.where(JobRow.created_at < wanted.created_before)
        for name, label in wanted.labels:
            query = query.where(JobRow.labels[name].as_string() == label)
        query = query.order_by(JobRow.id.desc()).limit(limit)
        query = query.execution_options(populate_existing=True)
        return self._records(self._scope.session.scalars(query).all())

    def cancel(self, tenant_id: str, job_id: str, reason: str | None = None) -> Job:
        """Cancel a queued job at once, ask a running one to stop; others stay as they are."""
        job = self.get(tenant_id, job_id)
        replicates = select(JobRow.id).where(JobRow.parent_id == job_id).order_by(JobRow.id)
        parts = self._scope.session.scalars(replicates).all()
        for part in parts:
            self._cancel_one(part, reason)
        if not parts:
            self._cancel_one(job_id, reason)
        else:
            self._cancel_standing(job_id, reason)
        if job.parent_id is not None:
            settle(self._scope, job.parent_id)
        return self.get(tenant_id, job_id)

    def amend(
        self,
        tenant_id: str,
        job_id: str,
        labels: Mapping[str, str] | None,
        priority: int | None,
        check: Callable[[Job], None],
    ) -> Job:
        """Replace labels, and the priority of a queued job; `check` sees the job beforehand.

        Raises NotFound, Conflict where a priority comes too late, and what `check` raises.
        """
        if priority is not None:
            # Replicates are locked before the job that stands for them.
            waiting = (JobRow.parent_id == job_id, JobRow.status == JobStatus.QUEUED)
            self._scope.change(
                update(JobRow)
                .where(JobRow.tenant_id == tenant_id, *waiting)
                .values(priority=priority)
            )
        row = self._lock(tenant_id, job_id)
        check(record(row))
        if priority is not None and row.status != JobStatus.QUEUED:
            raise Conflict(
                f"The job is {row.status}; a priority can be changed while it is queued.",
                code="JOB_NOT_QUEUED",
            )
        changes: dict[str, Any] = {}
        if labels is not None and dict(labels) != row.labels:
            changes["labels"] = dict(labels)
        if priority is not None and priority != row.priority:
            changes["priority"] = priority
        if changes:
            self._scope.change(update(JobRow).where(JobRow.id == job_id).values(changes))
            self._scope.emit(tenant_id, job_id, "job.updated", {"fields": sorted(changes)})
        return self.get(tenant_id, job_id)

    def retry(self, tenant_id: str, job_id: str) -> Job:
        """A new job that asks for the same as a terminal one; raises NotFound, Conflict."""
        row = self._lock(tenant_id, job_id)
        if not JobStatus(row.status).terminal:
            raise Conflict(
                f"The job is {row.status}; it can be submitted again once it is terminal.",
                code="JOB_NOT_TERMINAL",
            )
        return self.add(tenant_id, request_of(row), retry_of=job_id)

    def delete(self, tenant_id: str, job_id: str) -> None:
        """Delete a terminal job with its replicates, events and logs; raises NotFound, Conflict."""
        row = self._lock(tenant_id, job_id)
        parent = self._scope.session.get(JobRow, row.parent_id) if row.parent_id else None
        for needed in (row, parent):
            if needed is not None and not JobStatus(needed.status).terminal:
                raise Conflict(
                    f"The job {needed.id!r} is {needed.status}; cancel it and wait for its end.",
                    code="JOB_NOT_TERMINAL",
                )
        family = select(JobRow.id).where((JobRow.id == job_id) | (JobRow.parent_id == job_id))
        ids = self._scope.session.scalars(family).all()
        ticket = self._scope.session.scalar(
            select(TicketRow.id).where(TicketRow.job_id.in_(ids)).limit(1)
        )
        if ticket is not None:
            raise Conflict(
                f"The ticket {ticket!r} came from this job and is kept with it; delete it first.",
                code="JOB_HAS_TICKET",
            )
        self._scope.change(delete(EventRow).where(EventRow.subject_id.in_(ids)))
        self._scope.change(delete(JobLogRow).where(JobLogRow.job_id.in_(ids)))
        self._scope.change(delete(JobShardRow).where(JobShardRow.job_id.in_(ids)))
        self._scope.change(delete(JobRow).where(JobRow.id.in_(ids)))
        self._scope.audit(tenant_id, job_id, "job.deleted", {})

    def _lock(self, tenant_id: str, job_id: str) -> JobRow:
        row = self._scope.session.scalar(
            select(JobRow)
            .where(JobRow.id == job_id, JobRow.tenant_id == tenant_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound("job", job_id)
        return row

    def _records(self, rows: Sequence[JobRow | FoundRow[Any]]) -> Sequence[Job]:
        """The jobs as they are shown: those that no living worker can take say so."""
        waits = {
            row.id
            for row in rows
            if row.device == JobDevice.CUDA and row.status == JobStatus.QUEUED
        }
        if not waits or WorkerRepository(self._scope).cuda_is_alive():
            return [record(row) for row in rows]
        return [
            replace(record(row), waiting_for=NO_CUDA_WORKER) if row.id in waits else record(row)
            for row in rows
        ]

    def _cancel_standing(self, job_id: str, reason: str | None) -> None:
        """Cancel a job that stands for replicates, once those were asked to stop."""
        unfinished = JobRow.finished_at.is_(None)
        self._scope.change(
            update(JobRow).where(JobRow.id == job_id, unfinished).values(cancel_reason=reason)
        )
        data = {} if reason is None else {"reason": reason}
        change_status(self._scope, job_id, JobStatus.CANCELING, data=data)
        settle(self._scope, job_id)

    def _cancel_one(self, job_id: str, reason: str | None) -> None:
        """Cancel a job that a worker runs; the one that it is a replicate of is settled later."""
        values = {"cancel_reason": reason}
        data = {} if reason is None else {"reason": reason}
        queued = JobRow.status == JobStatus.QUEUED
        if not change_status(
            self._scope, job_id, JobStatus.CANCELED, queued, values=values, data=data
        ):
            asked = change_status(
                self._scope, job_id, JobStatus.CANCELING, values=values, data=data
            )
            divided = select(JobRow.shards).where(JobRow.id == job_id)
            if asked and self._scope.session.scalar(divided) is not None:
                cancel_divided(self._scope, job_id)

    def _insert(
        self,
        tenant_id: str,
        requests: Sequence[JobRequest],
        retry_of: str | None = None,
        parent_id: str | None = None,
        batch_id: str | None = None,
    ) -> Sequence[Job]:
        """Queue jobs that workers run, and wake workers."""
        check_queued(self._scope, tenant_id, len(requests))
        rows = [self._row(tenant_id, request) for request in requests]
        for row in rows:
            row.retry_of, row.parent_id, row.batch_id = retry_of, parent_id, batch_id
        wake_ups: list[Row] = []
        for device in JobDevice:
            wanted = sum(row.device == device for row in rows)
            wake_ups += self._scope.wake_ups(device.value, min(wanted, _MOST_WAKE_UPS))
        self._save(rows, wake_ups)
        return [record(row) for row in rows]

    def _row(self, tenant_id: str, request: JobRequest) -> JobRow:
        now, patience = self._scope.now(), request.queue_timeout_s
        actor = current_actor() or Actor()
        return JobRow(
            id=new_id("job"),
            tenant_id=tenant_id,
            kind=request.kind,
            checkpoint_id=request.checkpoint_id,
            dataset_id=request.dataset_id,
            spec=request.spec,
            replicates=request.replicates,
            status=JobStatus.QUEUED,
            attempt=0,
            max_attempts=request.max_attempts,
            stage="queued",
            done=0,
            total=0,
            labels=dict(request.labels),
            device=request.device,
            priority=request.priority,
            request_id=actor.request_id,
            traceparent=actor.traceparent,
            timeout_s=request.timeout_s,
            queue_timeout_s=patience,
            queue_deadline=None if patience is None else self._scope.after(patience),
            created_at=now,
            queued_at=now,
        )

    def _save(self, rows: Sequence[JobRow], wake_ups: Sequence[Row] = ()) -> None:
        """Add the rows with their first events and wake-ups, all at once."""
        data = {row.id: {"kind": str(row.kind)} for row in rows}
        self._scope.emit_first("job.queued", rows[0].tenant_id, data, [*rows, *wake_ups])

    def _check_upload(
        self, table: type[UploadRow], kind: str, tenant_id: str, upload_id: str
    ) -> None:
        # Locked, so that a rejection cannot slip in before the job that it must fail exists.
        row = self._scope.session.scalar(
            select(table).where(table.id == upload_id).with_for_update(read=True)
        )
        if row is None or row.tenant_id != tenant_id or row.deleted_at is not None:
            raise NotFound(kind, upload_id)
        if row.status == CheckpointStatus.REJECTED:
            reason = f"{row.rejection_detail} ({row.rejection_code})"
            raise UploadRejected(kind, upload_id, reason)
