"""Plans: short jobs whose result somebody waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.domain import HIGHEST_PRIORITY, Job, JobFilter, JobKind, JobRequest, JobStatus, Problem
from service.errors import PlanFailed, PlanRefused
from service.store import Store
from service.usecases.jobs import submit_job

# The worker's own misfortunes; all other codes say what is wrong with the checkpoint or the spec.
FAULTS = frozenset({"INTERNAL_ERROR", "JOB_TIMEOUT", "OUT_OF_MEMORY", "RUNNER_DIED", "WORKER_LOST"})
_MOST_LOOKED_THROUGH = 100


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


def find_plan(
    store: Store, tenant_id: str, checkpoint_id: str, spec: Mapping[str, Any]
) -> dict[str, Any] | None:
    """A plan that was made of this checkpoint and complete spec, if one of the newest is."""
    wanted = JobFilter(JobStatus.SUCCEEDED, JobKind.PLAN, checkpoint_id)
    with store.read() as tx:
        jobs = tx.jobs.list(tenant_id, _MOST_LOOKED_THROUGH, wanted=wanted)
    plans = (job.report for job in jobs if job.report is not None)
    return next((plan for plan in plans if _asks(plan["specification"]) == _asks(spec)), None)


def _asks(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What a spec asks for, whichever device does it and however often."""
    return {name: value for name, value in spec.items() if name not in ("device", "replicates")}
