"""Plans: what a construction would lay out, find and cost."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from service.api.bounded_body import BoundedRoute
from service.api.deps import Caller, PartsDep, checked_id
from service.api.preferences import PatienceDep, wait_for
from service.api.responses import LOCATION, PREFERENCE_APPLIED, RETRY_AFTER, body, problems
from service.api.schemas import JobResource, PlanRequest
from service.domain import Job
from service.errors import (
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    PlanFailed,
    PlanRefused,
    UploadRejected,
)
from service.usecases.jobs import get_job
from service.usecases.plans import read_plan, submit_plan

_RETRY_SECONDS = 1

router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=BoundedRoute)


@router.post(
    "",
    operation_id="make_plan",
    summary="Plan a construction",
    responses={
        200: body("The plan.", Location=LOCATION, Preference_Applied=PREFERENCE_APPLIED),
        202: {
            "model": JobResource,
            **body(
                "The plan is not made yet; this job makes it, and its `metrics` will be the plan.",
                Location=LOCATION,
                Retry_After=RETRY_AFTER,
                Preference_Applied=PREFERENCE_APPLIED,
            ),
        },
        **problems(
            InvalidRequest,
            NotFound,
            PayloadTooLarge,
            PlanFailed,
            PlanRefused,
            UploadRejected,
            unreadable_body=True,
        ),
    },
)
async def make_plan(
    response: Response,
    caller: Caller,
    parts: PartsDep,
    patience: PatienceDep,
    asked: PlanRequest,
) -> dict[str, Any]:
    """Foretells a construction without making it: widths, problems, parameters, chances, seconds.

    A worker makes the plan, as a short job of kind `plan`. The answer is the plan itself if it is
    made within the wait (see Prefer), else the job. A checkpoint or spec that no plan can be made
    from is refused with the code that the construction would fail with.
    """
    job = await run_in_threadpool(
        submit_plan,
        parts.store,
        caller.tenant_id,
        checked_id("checkpoint", asked.checkpoint_id),
        asked.spec.model_dump(mode="json"),
        parts.settings.max_attempts,
    )

    async def look() -> Job:
        return await run_in_threadpool(get_job, parts.store, caller.tenant_id, job.id)

    seen = await wait_for(look, lambda job: job.status.terminal, patience.seconds)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if patience.applied is not None:
        response.headers["Preference-Applied"] = patience.applied
    if seen.status.terminal:
        return read_plan(seen)
    response.status_code = 202
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return JobResource.of(seen).model_dump(mode="json")
