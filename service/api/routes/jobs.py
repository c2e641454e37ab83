"""Jobs: constructions, estimates and statistics; and what became of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Header, Response
from starlette.concurrency import run_in_threadpool

from service.api.deps import Caller, JobId, PageDep, PartsDep, checked_id
from service.api.entity_tags import document_tag, names_tag
from service.api.idempotency import IdempotentRoute, Once
from service.api.job_filters import JobFilterDep, filter_scope
from service.api.job_watch import await_change
from service.api.preferences import ChangePatienceDep
from service.api.refusals import InvalidCursor
from service.api.responses import (
    ETAG,
    LOCATION,
    PREFERENCE_APPLIED,
    REPLAYED,
    REQUEST_ID,
    RETRY_AFTER,
    Responses,
    body,
    problems,
)
from service.api.routes.pages import send_page
from service.api.schemas import (
    Cancellation,
    EstimateSubmission,
    JobChanges,
    JobResource,
    JobSubmission,
    PageOf,
    StatisticsSubmission,
)
from service.domain import Job, JobKind, JobRequest
from service.errors import (
    Conflict,
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    UploadRejected,
)
from service.usecases.jobs import (
    amend_job,
    cancel_job,
    delete_job,
    get_job,
    list_jobs,
    retry_job,
    submit_job,
)
from service.usecases.pages import Page

# A LeNet ticket takes about a second, once a worker has it.
_RETRY_SECONDS = 1
_ANSWERS: Responses = {
    200: {
        "model": JobResource,
        **body(
            "The job was queued before, under the same Idempotency-Key.",
            Location=LOCATION,
            Idempotency_Replayed=REPLAYED,
        ),
    },
    202: body("The job is queued.", Location=LOCATION, Retry_After=RETRY_AFTER),
}


router = APIRouter(prefix="/v1/jobs", tags=["jobs"], route_class=IdempotentRoute)


@router.post(
    "",
    operation_id="submit_job",
    summary="Submit a job",
    status_code=202,
    responses={
        **_ANSWERS,
        **problems(
            IdempotencyKeyInUse,
            IdempotencyKeyReused,
            InvalidRequest,
            NotFound,
            PayloadTooLarge,
            UploadRejected,
            unreadable_body=True,
        ),
    },
)
def submit(
    response: Response, caller: Caller, parts: PartsDep, _once: Once, submission: JobSubmission
) -> JobResource:
    """Queues a job: the construction of a ticket, an estimate, or statistics (see `kind`).

    The checkpoint (and data set) may still be validating: the job starts when they are ready, and
    fails with CHECKPOINT_REJECTED or DATASET_REJECTED when they are not. Poll `links.self` until
    `terminal` is true.

    A construction whose `spec.replicates` is more than 1 makes that many tickets, from the seeds
    `source.seed`, `source.seed + 1` and so on (modulo 2^64), each by a job of its own whose
    `parent_id` names this one. Once all have succeeded, this job's `metrics` give the mean and the
    95 % interval (Student's t) of each number over them.
    """
    asked = _job_request(submission, parts.settings.max_attempts)
    return _announce(response, submit_job(parts.store, caller.tenant_id, asked))


def _announce(response: Response, job: Job) -> JobResource:
    resource = JobResource.of(job)
    response.headers["Location"] = resource.links.self
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return resource


def _job_request(submission: JobSubmission, max_attempts: int) -> JobRequest:
    """What is asked for, in the service's words; raises NotFound for ids that cannot be."""
    asked = submission.root
    conditions = JobRequest(
        JobKind(asked.kind),
        asked.spec.model_dump(mode="json"),
        labels=asked.labels,
        priority=asked.priority,
        timeout_s=asked.timeout_s,
        queue_timeout_s=asked.queue_timeout_s,
        max_attempts=asked.max_attempts or max_attempts,
    )
    if isinstance(asked, StatisticsSubmission):
        return conditions
    if asked.dataset_id is not None:
        checked_id("dataset", asked.dataset_id)
    if isinstance(asked, EstimateSubmission) and asked.spec.replicates > 1:
        raise _misplaced_replicates()
    return replace(
        conditions,
        checkpoint_id=checked_id("checkpoint", asked.checkpoint_id),
        dataset_id=asked.dataset_id,
        replicates=asked.replicates if isinstance(asked, EstimateSubmission) else None,
    )


def _misplaced_replicates() -> InvalidRequest:
    detail = "an estimate takes its replicates beside the spec; leave them out here"
    item = {"pointer": "/spec/replicates", "code": "SEVERAL_REPLICATES", "detail": detail}
    return InvalidRequest(f"/spec/replicates: {detail}", [item])


@router.get(
    "",
    operation_id="list_jobs",
    summary="List jobs",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(
    caller: Caller, parts: PartsDep, asked: PageDep, wanted: JobFilterDep
) -> PageOf[JobResource]:
    """The tenant's jobs, newest first; of several filters, all have to fit."""

    def fetch(limit: int, after: str | None) -> Page[Job]:
        return list_jobs(parts.store, caller.tenant_id, limit, after, wanted)

    scope = filter_scope(caller.tenant_id, wanted)
    return send_page(parts, scope, asked, fetch, JobResource.of)


@router.get(
    "/{job_id}",
    operation_id="get_job",
    summary="Get a job",
    response_model=JobResource,
    responses={
        200: body("The job.", ETag=ETAG, Preference_Applied=PREFERENCE_APPLIED),
        304: {
            "description": "The job is as the ETag in If-None-Match names it.",
            "headers": {"X-Request-ID": REQUEST_ID, "ETag": ETAG},
        },
        **problems(NotFound),
    },
)
async def get(
    response: Response,
    caller: Caller,
    parts: PartsDep,
    job_id: JobId,
    patience: ChangePatienceDep,
    if_none_match: Annotated[
        str | None, Header(description="ETags that the client has; or *")
    ] = None,
) -> JobResource | Response:
    """One job: its progress while it runs, then its report or the reason of its failure.

    With `Prefer: wait=n` the answer comes when the job is no longer as it was (as If-None-Match
    names it, or at the time of the request), when it is terminal, or after n seconds.
    """

    async def look() -> tuple[JobResource, str]:
        job = await run_in_threadpool(get_job, parts.store, caller.tenant_id, job_id)
        resource = JobResource.of(job)
        return resource, document_tag(resource)

    resource, tag = await look()
    unchanged = if_none_match is None or names_tag(if_none_match, tag, weak=True)
    if patience.seconds and unchanged and not resource.terminal:
        resource, tag = await await_change(parts.watch, job_id, look, tag, patience.seconds)
    headers = {"ETag": tag}
    if patience.applied is not None:
        headers["Preference-Applied"] = patience.applied
    if names_tag(if_none_match, tag, weak=True):
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return resource


@router.patch(
    "/{job_id}",
    operation_id="change_job",
    summary="Change a job's labels or priority",
    responses={
        200: body("The job as it is now.", ETag=ETAG),
        **problems(
            Conflict,
            InvalidRequest,
            NotFound,
            PayloadTooLarge,
            PreconditionFailed,
            unreadable_body=True,
        ),
    },
)
def change(
    response: Response,
    caller: Caller,
    parts: PartsDep,
    job_id: JobId,
    changes: JobChanges,
    if_match: Annotated[
        str | None, Header(description="ETag of the job as the client knows it; 412 unless it is")
    ] = None,
) -> JobResource:
    """Replaces labels at any time, and the priority while the job is queued (else 409)."""

    def check(job: Job) -> None:
        tag = document_tag(JobResource.of(job))
        if if_match is not None and not names_tag(if_match, tag, weak=False):
            raise PreconditionFailed

    labels, priority = changes.labels, changes.priority
    resource = JobResource.of(
        amend_job(parts.store, caller.tenant_id, job_id, labels, priority, check)
    )
    response.headers["ETag"] = document_tag(resource)
    return resource


@router.delete(
    "/{job_id}",
    operation_id="delete_job",
    summary="Delete a job",
    status_code=204,
    response_class=Response,
    responses={204: body("The job is gone."), **problems(Conflict, NotFound)},
)
def delete(caller: Caller, parts: PartsDep, job_id: JobId) -> None:
    """Deletes a terminal job with its replicates, events and logs.

    A job that is not terminal, or whose ticket still exists, is kept (409).
    """
    delete_job(parts.store, caller.tenant_id, job_id)


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
        **problems(InvalidRequest, NotFound, PayloadTooLarge, unreadable_body=True),
    },
)
def cancel(
    response: Response,
    caller: Caller,
    parts: PartsDep,
    job_id: JobId,
    asked: Cancellation | None = None,
) -> JobResource:
    """Cancels a queued job at once and asks a running one to stop; safe to repeat.

    A job in `canceling` still ends `succeeded` or `failed` if that was committed first. The body,
    and the reason in it, may be left out.
    """
    reason = None if asked is None else asked.reason
    job = cancel_job(parts.store, caller.tenant_id, job_id, reason)
    if not job.status.terminal:
        response.status_code = 202
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return JobResource.of(job)


@router.post(
    "/{job_id}/retry",
    operation_id="retry_job",
    summary="Submit a job again",
    status_code=202,
    responses={
        **_ANSWERS,
        **problems(
            Conflict,
            IdempotencyKeyInUse,
            IdempotencyKeyReused,
            InvalidRequest,
            NotFound,
            UploadRejected,
        ),
    },
)
def retry(
    response: Response, caller: Caller, parts: PartsDep, _once: Once, job_id: JobId
) -> JobResource:
    """Queues a new job that asks for the same as a terminal one, and names it in `retry_of`.

    By the laws of the source a repeated construction makes the same ticket; what a repetition can
    change is a failure of the machines.
    """
    return _announce(response, retry_job(parts.store, caller.tenant_id, job_id))
