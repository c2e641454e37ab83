"""Jobs: constructions of tickets."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute

from service.api.bounded_body import read_bounded
from service.api.deps import Caller, JobId, PageDep, PartsDep, checked_id
from service.api.refusals import InvalidCursor
from service.api.responses import LOCATION, RETRY_AFTER, body, problems
from service.api.routes.pages import send_page
from service.api.schemas import JobResource, JobSubmission, PageOf
from service.domain import Job, JobStatus
from service.errors import InvalidRequest, NotFound, PayloadTooLarge, UploadRejected
from service.usecases.jobs import JobRequest, cancel_job, get_job, list_jobs, submit_job
from service.usecases.pages import Page

# A LeNet ticket takes about a second, once a worker has it.
_RETRY_SECONDS = 1


class _BoundedRoute(APIRoute):
    """A route whose JSON body is read up to a limit: the framework would read any amount."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, given a request that is read already."""
        handle = super().get_route_handler()

        async def read_then_handle(request: Request) -> Response:
            return await handle(await read_bounded(request))

        return read_then_handle


router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=_BoundedRoute)


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
    """Queues the construction of a ticket.

    The checkpoint (and data set) may still be validating: the job starts when they are ready, and
    fails with CHECKPOINT_REJECTED or DATASET_REJECTED when they are not. Poll `links.self` until
    `terminal` is true.
    """
    if submission.dataset_id is not None:
        checked_id("dataset", submission.dataset_id)
    asked = JobRequest(
        checked_id("checkpoint", submission.checkpoint_id),
        submission.dataset_id,
        submission.spec.model_dump(mode="json"),
        submission.labels,
    )
    job = submit_job(parts.store, caller.tenant_id, asked, parts.settings.max_attempts)
    resource = JobResource.of(job)
    response.headers["Location"] = resource.links.self
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return resource


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
) -> PageOf[JobResource]:
    """The tenant's jobs, newest first."""

    def fetch(limit: int, after: str | None) -> Page[Job]:
        return list_jobs(parts.store, caller.tenant_id, limit, after, status)

    return send_page(parts, f"jobs/{caller.tenant_id}/{status}", asked, fetch, JobResource.of)


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
