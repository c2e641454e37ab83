"""Jobs: constructions, estimates and statistics; and what became of them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.api.bounded_body import BoundedRoute
from service.api.deps import Caller, JobId, PageDep, PartsDep, checked_id
from service.api.refusals import InvalidCursor
from service.api.responses import LOCATION, RETRY_AFTER, body, problems
from service.api.routes.pages import send_page
from service.api.schemas import (
    EstimateSubmission,
    JobResource,
    JobSubmission,
    PageOf,
    StatisticsSubmission,
)
from service.domain import Job, JobKind, JobStatus
from service.errors import InvalidRequest, NotFound, PayloadTooLarge, UploadRejected
from service.usecases.jobs import JobRequest, cancel_job, get_job, list_jobs, submit_job
from service.usecases.pages import Page

# A LeNet ticket takes about a second, once a worker has it.
_RETRY_SECONDS = 1


router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=BoundedRoute)


@router.post(
    "",
    operation_id="submit_job",
    summary="Submit a job",
    status_code=202,
    responses={
        202: body("The job is queued.", Location=LOCATION, Retry_After=RETRY_AFTER),
        **problems(InvalidRequest, NotFound, PayloadTooLarge, UploadRejected, unreadable_body=True),
    },
)
def submit(
    response: Response, caller: Caller, parts: PartsDep, submission: JobSubmission
) -> JobResource:
    """Queues a job: the construction of a ticket, an estimate, or statistics (see `kind`).

    The checkpoint (and data set) may still be validating: the job starts when they are ready, and
    fails with CHECKPOINT_REJECTED or DATASET_REJECTED when they are not. Poll `links.self` until
    `terminal` is true.
    """
    asked = _job_request(submission)
    job = submit_job(parts.store, caller.tenant_id, asked, parts.settings.max_attempts)
    resource = JobResource.of(job)
    response.headers["Location"] = resource.links.self
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return resource


def _job_request(submission: JobSubmission) -> JobRequest:
    """What is asked for, in the service's words; raises NotFound for ids that cannot be."""
    asked = submission.root
    spec = asked.spec.model_dump(mode="json")
    if isinstance(asked, StatisticsSubmission):
        return JobRequest(JobKind.STATISTICS, spec, labels=asked.labels)
    if asked.dataset_id is not None:
        checked_id("dataset", asked.dataset_id)
    return JobRequest(
        JobKind(asked.kind),
        spec,
        checked_id("checkpoint", asked.checkpoint_id),
        asked.dataset_id,
        asked.replicates if isinstance(asked, EstimateSubmission) else None,
        asked.labels,
    )


@router.get(
    "",
    operation_id="list_jobs",
    summary="List jobs",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(
    caller: Caller,
    parts: PartsDep,
    asked: PageDep,
    status: Annotated[JobStatus | None, Query(description="only jobs in this status")] = None,
    kind: Annotated[JobKind | None, Query(description="only jobs of this kind")] = None,
) -> PageOf[JobResource]:
    """The tenant's jobs, newest first."""

    def fetch(limit: int, after: str | None) -> Page[Job]:
        return list_jobs(parts.store, caller.tenant_id, limit, after, status, kind)

    scope = f"jobs/{caller.tenant_id}/{status}/{kind}"
    return send_page(parts, scope, asked, fetch, JobResource.of)


@router.get(
    "/{job_id}",
    operation_id="get_job",
    summary="Get a job",
    responses={200: body("The job."), **problems(NotFound)},
)
def get(caller: Caller, parts: PartsDep, job_id: JobId) -> JobResource:
    """One job: its progress while it runs, then its report or the reason of its failure."""
    return JobResource.of(get_job(parts.store, caller.tenant_id, job_id))


@router.post(
    "/{job_id}/cancel",
    operation_id="cancel_job",
    summary="Cancel a job",
    responses={
        200: body("The job is terminal: canceled now, or finished before."),
        202: {
            "model": JobResource,
            **body("The job was asked to stop.", Retry_After=RETRY_AFTER),
        },
        **problems(NotFound),
    },
)
def cancel(response: Response, caller: Caller, parts: PartsDep, job_id: JobId) -> JobResource:
    """Cancels a queued job at once and asks a running one to stop; safe to repeat.

    A job in `canceling` still ends `succeeded` or `failed` if that was committed first.
    """
    job = cancel_job(parts.store, caller.tenant_id, job_id)
    if not job.status.terminal:
        response.status_code = 202
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return JobResource.of(job)
