"""The parts of a divided job."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.api.deps import Caller, JobId, PartsDep
from service.api.responses import body, problems
from service.api.schemas import ShardPage, ShardResource
from service.errors import InvalidRequest, NotFound
from service.usecases.jobs import list_shards

_LARGEST_PAGE = 200
_LARGEST_NUMBER = 2**31 - 1

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/shards",
    operation_id="list_job_shards",
    summary="List the shards of a divided job",
    responses={200: body("A page, in order."), **problems(InvalidRequest, NotFound)},
)
def list_page(
    caller: Caller,
    parts: PartsDep,
    job_id: JobId,
    after: Annotated[
        int | None,
        Query(ge=0, le=_LARGEST_NUMBER, description="only shards with a higher index"),
    ] = None,
    limit: Annotated[
        int, Query(ge=1, description=f"of a page; more than {_LARGEST_PAGE} means {_LARGEST_PAGE}")
    ] = _LARGEST_PAGE,
) -> ShardPage:
    """Who builds or built which rows, and how long it took. Empty for a job that is not divided.

    Workers take shards as they take jobs; what one built is kept when it dies. Finished shards of
    one wave are followed by a merge, which plans the next wave or makes the ticket.
    """
    most = min(limit, _LARGEST_PAGE)
    found = list_shards(parts.store, caller.tenant_id, job_id, after, most + 1)
    following = found[most - 1].index if len(found) > most else None
    return ShardPage(data=[ShardResource.of(shard) for shard in found[:most]], next_after=following)
