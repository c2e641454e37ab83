"""From a job's row to its record."""

from __future__ import annotations

from service.domain import Job, JobKind, JobStatus, Problem, Progress
from service.store.tables import JobRow


def record(row: JobRow) -> Job:
    """The job that a row holds."""
    failed = row.error_code is not None
    return Job(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=JobKind(row.kind),
        checkpoint_id=row.checkpoint_id,
        dataset_id=row.dataset_id,
        spec=row.spec,
        replicates=row.replicates,
        status=JobStatus(row.status),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        progress=Progress.at(row.stage, row.done, row.total),
        error=Problem(row.error_code or "", row.error_detail or "") if failed else None,
        ticket_id=row.ticket_id,
        report=row.report,
        labels=row.labels,
        created_at=row.created_at,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
