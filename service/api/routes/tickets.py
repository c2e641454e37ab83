"""Tickets: what succeeded jobs made. Their files are in `ticket_files`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from service.api.deps import Caller, PageDep, PartsDep, TicketId
from service.api.refusals import InvalidCursor
from service.api.responses import LOCATION, RETRY_AFTER, body, problems
from service.api.routes.pages import send_page
from service.api.schemas import JobResource, PageOf, TicketResource
from service.api.ticket_filters import TicketFilterDep
from service.domain import Ticket
from service.errors import InvalidRequest, NotFound
from service.usecases.pages import Page
from service.usecases.tickets import (
    delete_ticket,
    get_ticket,
    list_tickets,
    verify_ticket,
)

_RETRY_SECONDS = 1

router = APIRouter(prefix="/v1/tickets", tags=["tickets"])


@router.get(
    "",
    operation_id="list_tickets",
    summary="List tickets",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(
    caller: Caller, parts: PartsDep, asked: PageDep, wanted: TicketFilterDep
) -> PageOf[TicketResource]:
    """The tenant's tickets, newest first."""

    def fetch(limit: int, after: str | None) -> Page[Ticket]:
        return list_tickets(parts.store, caller.tenant_id, limit, after, wanted)

    return send_page(parts, f"tickets/{caller.tenant_id}/{wanted}", asked, fetch, TicketResource.of)


@router.get(
    "/{ticket_id}",
    operation_id="get_ticket",
    summary="Get a ticket",
    responses={200: body("The ticket."), **problems(NotFound)},
)
def get(caller: Caller, parts: PartsDep, ticket_id: TicketId) -> TicketResource:
    """One ticket with the report of its construction; the file itself is at `links.mask`."""
    return TicketResource.of(get_ticket(parts.store, caller.tenant_id, ticket_id))


@router.delete(
    "/{ticket_id}",
    operation_id="delete_ticket",
    summary="Delete a ticket",
    status_code=204,
    responses={204: body("The ticket is gone."), **problems(NotFound)},
)
def delete(caller: Caller, parts: PartsDep, ticket_id: TicketId) -> None:
    """Deletes the ticket with its file and exports for good. Its job stays, with its report."""
    delete_ticket(parts.store, caller.tenant_id, ticket_id)


@router.get(
    "/{ticket_id}/metrics",
    operation_id="get_ticket_metrics",
    summary="Get a ticket's report",
    responses={200: body("The report."), **problems(InvalidRequest, NotFound)},
)
def get_metrics(
    caller: Caller,
    parts: PartsDep,
    ticket_id: TicketId,
    key: Annotated[
        list[Annotated[str, Query(max_length=200)]],
        Query(max_length=50, description="only this entry, by dotted name, e.g. `error.certified`"),
    ] = [],  # noqa: B006 - read only
) -> dict[str, Any]:
    """The report of the construction: sizes, errors, subset sizes, accuracies and times.

    `ticket.layers` is a table of the layers, `subset_size.histogram` and `error.histogram` are
    histograms of subset sizes and of parameter errors. With `key` (it may be repeated) the answer
    holds those entries alone, by the names that were given.
    """
    report = get_ticket(parts.store, caller.tenant_id, ticket_id).report
    return {name: _entry(report, name) for name in key} if key else report


def _entry(report: dict[str, Any], name: str) -> Any:
    found: Any = report
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            detail = f"The report has no entry {name!r}; get the whole report for their names."
            raise InvalidRequest(
                f"key: {detail}", [{"pointer": "key", "code": "NO_SUCH_ENTRY", "detail": detail}]
            )
        found = found[part]
    return found


@router.post(
    "/{ticket_id}/verify",
    operation_id="verify_ticket",
    summary="Verify a ticket",
    status_code=202,
    responses={
        202: body("The job is queued.", Location=LOCATION, Retry_After=RETRY_AFTER),
        **problems(NotFound),
    },
)
def verify(response: Response, caller: Caller, parts: PartsDep, ticket_id: TicketId) -> JobResource:
    """Queues a job of kind `verify`: the independent verifier checks the ticket's file.

    The job succeeds whatever the verdict is; its `metrics` are the verdict: `valid`, `reasons`,
    `largest_parameter_error` and a `histogram` of errors.
    """
    job = verify_ticket(parts.store, caller.tenant_id, ticket_id, parts.settings.max_attempts)
    resource = JobResource.of(job)
    response.headers["Location"] = resource.links.self
    response.headers["Retry-After"] = str(_RETRY_SECONDS)
    return resource
