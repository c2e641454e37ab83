"""Batches: sweeps over specs, and their tables."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response

from service.api.batch_requests import describe_request, read_requests
from service.api.deps import BatchId, Caller, PageDep, PartsDep
from service.api.idempotency import IdempotentRoute, Once
from service.api.refusals import InvalidCursor
from service.api.responses import LOCATION, REPLAYED, body, problems
from service.api.result_tables import groups_as_csv, rows_as_csv
from service.api.routes.pages import send_page
from service.api.schemas import (
    BatchDryRun,
    BatchResource,
    BatchResults,
    BatchSubmission,
    Cancellation,
    PageOf,
)
from service.errors import (
    IdempotencyKeyInUse,
    IdempotencyKeyReused,
    InvalidRequest,
    NotFound,
    PayloadTooLarge,
    QuotaExceeded,
    UploadRejected,
)
from service.usecases.batches import (
    cancel_batch,
    get_batch,
    list_batches,
    read_results,
    submit_batch,
)

_CSV = "text/csv"

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=IdempotentRoute)


@router.post(
    "",
    operation_id="submit_batch",
    summary="Submit a batch of jobs",
    status_code=202,
    response_model=BatchResource,
    responses={
        200: {
            "model": BatchDryRun | BatchResource,
            **body(
                "Of a dry run, how many jobs there would be; else the batch that was submitted "
                "before under the same Idempotency-Key.",
                Idempotency_Replayed=REPLAYED,
            ),
        },
        202: body("All jobs are queued.", Location=LOCATION),
        **problems(
            IdempotencyKeyInUse,
            IdempotencyKeyReused,
            InvalidRequest,
            NotFound,
            PayloadTooLarge,
            QuotaExceeded,
            UploadRejected,
            unreadable_body=True,
        ),
    },
)
def submit(caller: Caller, parts: PartsDep, _once: Once, submission: BatchSubmission) -> Response:
    """Queues a construction for every combination of the swept values, and for every seed.

    `spec` is the base; each field named in `sweep` takes each of its values, and all combinations
    are made. With `spec.replicates` more than 1, each combination is constructed from that many
    seeds, counted from its `source.seed`. Either all jobs are queued or none.
    """
    requests = read_requests(submission, parts.settings.max_batch_jobs, parts.settings.max_attempts)
    jobs = sum(int(request.spec["replicates"]) for request in requests)
    if submission.dry_run:
        dry = BatchDryRun(jobs=jobs, combinations=len(requests))
        return Response(dry.model_dump_json(), media_type="application/json")
    shown = describe_request(submission)
    batch = submit_batch(parts.store, caller.tenant_id, submission.name, shown, requests)
    resource = BatchResource.of(batch)
    return Response(
        resource.model_dump_json(),
        202,
        media_type="application/json",
        headers={"Location": resource.links.self},
    )


@router.get(
    "",
    operation_id="list_batches",
    summary="List batches",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(caller: Caller, parts: PartsDep, asked: PageDep) -> PageOf[BatchResource]:
    """The tenant's batches, newest first."""
    fetch = partial(list_batches, parts.store, caller.tenant_id)
    return send_page(parts, f"batches/{caller.tenant_id}", asked, fetch, BatchResource.of)


@router.get(
    "/{batch_id}",
    operation_id="get_batch",
    summary="Get a batch",
    responses={200: body("The batch."), **problems(NotFound)},
)
def get(caller: Caller, parts: PartsDep, batch_id: BatchId) -> BatchResource:
    """One batch: how many of its jobs are in each status."""
    return BatchResource.of(get_batch(parts.store, caller.tenant_id, batch_id))


@router.post(
    "/{batch_id}/cancel",
    operation_id="cancel_batch",
    summary="Cancel a batch",
    responses={
        200: body("Queued jobs are canceled, running ones were asked to stop."),
        **problems(InvalidRequest, NotFound, PayloadTooLarge, unreadable_body=True),
    },
)
def cancel(
    caller: Caller, parts: PartsDep, batch_id: BatchId, asked: Cancellation | None = None
) -> BatchResource:
    """Cancels all jobs that have not ended; safe to repeat. What is done stays done."""
    reason = None if asked is None else asked.reason
    return BatchResource.of(cancel_batch(parts.store, caller.tenant_id, batch_id, reason))


@router.get(
    "/{batch_id}/results",
    operation_id="get_batch_results",
    summary="Get a batch's table",
    response_model=BatchResults,
    responses={
        200: {
            **body("The table as it is now: complete once the batch is terminal."),
            "content": {_CSV: {"schema": {"type": "string"}}},
        },
        **problems(InvalidRequest, NotFound),
    },
)
def get_results(
    caller: Caller,
    parts: PartsDep,
    batch_id: BatchId,
    format: Annotated[  # noqa: A002 - the parameter's name in the interface
        Literal["json", "csv"] | None, Query(description="json or csv, whatever Accept says")
    ] = None,
    table: Annotated[
        Literal["rows", "groups"], Query(description="of CSV: a line for each job, or combination")
    ] = "rows",
    accept: Annotated[str, Header(description=f"`{_CSV}` for CSV")] = "application/json",
) -> BatchResults | Response:
    """One row for each job, and one group for each combination of swept values but the seed.

    Groups give the mean and its 95 % interval (Student's t) of each number over the jobs that
    succeeded.
    """
    batch, lines = read_results(parts.store, caller.tenant_id, batch_id)
    results = BatchResults.of(batch, lines)
    if format == "json" or (format is None and _CSV not in accept.lower()):
        return results
    write = rows_as_csv if table == "rows" else groups_as_csv
    headers = {"Content-Disposition": f'attachment; filename="{batch.id}-{table}.csv"'}
    text = write(results, list(batch.request["sweep"]))
    return Response(text, media_type=f"{_CSV}; charset=utf-8", headers=headers)
