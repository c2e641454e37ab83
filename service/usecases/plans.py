"""Plans: short jobs whose result somebody waits for."""

from __future__ import annotations

from typing import Any

from service.domain import HIGHEST_PRIORITY, Job, JobKind, JobRequest, JobStatus, Problem
from service.errors import PlanFailed, PlanRefused
from service.store import Store
from service.usecases.jobs import submit_job

# The worker's own misfortunes; all other codes say what is wrong with the checkpoint or the spec.
FAULTS = frozenset({"INTERNAL_ERROR", "JOB_TIMEOUT", "OUT_OF_MEMORY", "RUNNER_DIED", "WORKER_LOST"})


def submit_plan(
    store: Store, tenant_id: str, checkpoint_id: str, spec: dict[str, Any], max_attempts: int
) -> Job:
    """Queue the making of a plan; raises NotFound, UploadRejected."""
    # Somebody waits for a plan, and it is short: it must not queue behind long jobs.
    request = JobRequest(
        JobKind.PLAN, spec, checkpoint_id, priority=HIGHEST_PRIORITY, max_attempts=max_attempts
    )
    return submit_job(store, tenant_id, request)


def read_plan(job: Job) -> dict[str, Any]:
    """The plan that a finished job made; raises PlanRefused or PlanFailed if it made none."""
    if job.status is JobStatus.SUCCEEDED and job.report is not None:
        return job.report
    ended = f"The job {job.id!r} was {job.status} before it made a plan; ask again."
    reason = job.error or Problem(f"JOB_{job.status.upper()}", ended)
    kind = PlanFailed if reason.code in FAULTS else PlanRefused
    raise kind(reason.detail, code=reason.code)
