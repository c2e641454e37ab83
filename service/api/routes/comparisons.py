"""Comparisons: two tickets beside each other."""

from __future__ import annotations

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from service.api.bounded_body import BoundedRoute
from service.api.deps import Caller, PartsDep, checked_id
from service.api.preferences import PatienceDep, wait_for
from service.api.responses import LOCATION, PREFERENCE_APPLIED, RETRY_AFTER, body, problems
from service.api.schemas import ComparisonRequest, JobResource
from service.domain import Job
from service.errors import InvalidRequest, NotFound, PayloadTooLarge
from service.usecases.jobs import get_job
from service.usecases.tickets import compare_tickets

_RETRY_SECONDS = 1

router = APIRouter(prefix="/v1/comparisons", tags=["tickets"], route_class=BoundedRoute)


@router.post(
    "",
    operation_id="compare_tickets",
    summary="Compare two tickets",
    responses={
        200: body(
            "The job is terminal; its `metrics` are the comparison.",
            Location=LOCATION,
            Preference_Applied=PREFERENCE_APPLIED,
        ),
        202: {
            "model": JobResource,
            **body(
                "The job is not finished; its `metrics` will be the comparison.",
                Location=LOCATION,
                Retry_After=RETRY_AFTER,
                Preference_Applied=PREFERENCE_APPLIED,
            ),
        },
        **problems(InvalidRequest, NotFound, PayloadTooLarge, unreadable_body=True),
    },
)
async def compare(
    response: Response,
    caller: Caller,
    parts: PartsDep,
    patience: PatienceDep,
    asked: ComparisonRequest,
) -> JobResource:
    """Compares two tickets of the tenant, in a job of kind `compare` (see Prefer for the wait).

    Its `metrics`: `specification`, where the specs differ, by JSON pointer; `metrics`, the figures
    of both reports by dotted name; `layers`, what each layer keeps and how many cells both keep;
    `overlap`, that of the whole tickets. Cells are compared where both layers belong to one random
    network; elsewhere `not_comparable` says why not (NO_SUCH_LAYER, DIFFERENT_SEED,
    DIFFERENT_DISTRIBUTION, DIFFERENT_SHAPE, DIFFERENT_PAIRING).
    """
    job = await run_in_threadpool(
        compare_tickets,
        parts.store,
        caller.tenant_id,
        checked_id("ticket", asked.ticket_id),
        checked_id("ticket", asked.other_ticket_id),
        parts.settings.max_attempts,
    )

    async def look() -> Job:
        return await run_in_threadpool(get_job, parts.store, caller.tenant_id, job.id)

    seen = await wait_for(look, lambda job: job.status.terminal, patience.seconds)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if patience.applied is not None:
        response.headers["Preference-Applied"] = patience.applied
    if not seen.status.terminal:
        response.status_code = 202
        response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return JobResource.of(seen)
