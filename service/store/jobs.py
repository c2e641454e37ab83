"""Jobs as tenants see them, and, in `job_leases`, as workers see them."""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy import select

from service.domain import CheckpointStatus, Job, JobKind, JobStatus
from service.errors import NotFound, UploadRejected
from service.identifiers import new_id
from service.store.job_leases import JobLeases
from service.store.job_records import record
from service.store.job_transitions import transition
from service.store.tables import CheckpointRow, DatasetRow, JobRow

UploadRow = TypeVar("UploadRow", CheckpointRow, DatasetRow)


class JobRepository(JobLeases):
    """Submits, shows, cancels, and (inherited) claims and finishes jobs."""

    def add(
        self,
        tenant_id: str,
        checkpoint_id: str | None,
        dataset_id: str | None,
        spec: dict[str, Any],
        labels: dict[str, str],
        max_attempts: int = 3,
        *,
        kind: JobKind = JobKind.CONSTRUCT,
        replicates: int | None = None,
    ) -> Job:
        """A queued job and its wake-up; raises NotFound or UploadRejected for its inputs."""
        if checkpoint_id is not None:
            self._check_upload(CheckpointRow, "checkpoint", tenant_id, checkpoint_id)
        if dataset_id is not None:
            self._check_upload(DatasetRow, "dataset", tenant_id, dataset_id)
        now = self._scope.now()
        row = JobRow(
            id=new_id("job"),
            tenant_id=tenant_id,
            kind=kind,
            checkpoint_id=checkpoint_id,
            dataset_id=dataset_id,
            spec=spec,
            replicates=replicates,
            status=JobStatus.QUEUED,
            attempt=0,
            max_attempts=max_attempts,
            stage="queued",
            done=0,
            total=0,
            labels=labels,
            created_at=now,
            queued_at=now,
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        self._scope.emit(tenant_id, row.id, "job.queued", {"kind": str(kind)})
        self._scope.announce("job")
        return record(row)

    def get(self, tenant_id: str, job_id: str) -> Job:
        """One job of the tenant; raises NotFound."""
        row = self._scope.session.get(JobRow, job_id, populate_existing=True)
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("job", job_id)
        return record(row)

    def list(
        self,
        tenant_id: str,
        limit: int,
        after: str | None = None,
        status: JobStatus | None = None,
        kind: JobKind | None = None,
    ) -> list[Job]:
        """Jobs of the tenant, newest first, starting below the id `after`."""
        query = select(JobRow).where(JobRow.tenant_id == tenant_id)
        if after is not None:
            query = query.where(JobRow.id < after)
        if status is not None:
            query = query.where(JobRow.status == status)
        if kind is not None:
            query = query.where(JobRow.kind == kind)
        query = query.order_by(JobRow.id.desc()).limit(limit)
        query = query.execution_options(populate_existing=True)
        return [record(row) for row in self._scope.session.scalars(query)]

    def cancel(self, tenant_id: str, job_id: str) -> Job:
        """Cancel a queued job at once, ask a running one to stop; others stay as they are."""
        self.get(tenant_id, job_id)
        queued = JobRow.status == JobStatus.QUEUED
        if not transition(self._scope, job_id, JobStatus.CANCELED, queued):
            transition(self._scope, job_id, JobStatus.CANCELING)
        return self.get(tenant_id, job_id)

    def _check_upload(
        self, table: type[UploadRow], kind: str, tenant_id: str, upload_id: str
    ) -> None:
        # Locked, so that a rejection cannot slip in before the job that it must fail exists.
        row = self._scope.session.scalar(
            select(table).where(table.id == upload_id).with_for_update(read=True)
        )
        if row is None or row.tenant_id != tenant_id:
            raise NotFound(kind, upload_id)
        if row.status == CheckpointStatus.REJECTED:
            reason = f"{row.rejection_detail} ({row.rejection_code})"
            raise UploadRejected(kind, upload_id, reason)
