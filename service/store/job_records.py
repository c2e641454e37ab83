"""From a job's row to its record, and back to what was asked for."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row as FoundRow

from service.domain import Job, JobKind, JobRequest, JobStatus, Problem, Progress, ShardCounts
from service.store.tables import JobRow


def record(row: JobRow | FoundRow[Any]) -> Job:
    """The job that a row holds: one of a session, or one found without."""
    failed = row.error_code is not None
    return Job(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=JobKind(row.kind),
        checkpoint_id=row.checkpoint_id,
        dataset_id=row.dataset_id,
        spec=row.spec,
        replicates=row.parts if row.replicates is None else row.replicates,
        status=JobStatus(row.status),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        priority=row.priority,
        timeout_s=row.timeout_s,
        queue_timeout_s=row.queue_timeout_s,
        progress=Progress.at(row.stage, row.done, row.total),
        waiting_for=None,
        error=Problem(row.error_code or "", row.error_detail or "") if failed else None,
        shards=None if row.shards is None else ShardCounts(row.shards_done or 0, row.shards),
        cancel_reason=row.cancel_reason,
        ticket_id=row.ticket_id,
        report=row.report,
        labels=row.labels,
        retry_of=row.retry_of,
        parent_id=row.parent_id,
        batch_id=row.batch_id,
        created_at=row.created_at,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def request_of(row: JobRow) -> JobRequest:
    """What was asked for when the job was submitted, with its labels and priority of now."""
    return JobRequest(
        kind=JobKind(row.kind),
        spec=row.spec,
        checkpoint_id=row.checkpoint_id,
        dataset_id=row.dataset_id,
        replicates=row.replicates,
        labels=row.labels,
        priority=row.priority,
        timeout_s=row.timeout_s,
        queue_timeout_s=row.queue_timeout_s,
        max_attempts=row.max_attempts,
    )
