"""Two tickets beside each other."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from service.api.deps import JobId, PartsDep, checked_id
from service.dashboard.pages import PageRoute, go_to, page
from service.dashboard.visitors import FormDep, VisitorDep
from service.domain import JobKind, TicketFilter
from service.errors import NotFound
from service.usecases.jobs import get_job
from service.usecases.tickets import compare_tickets, list_tickets
from service.usecases.uploads import name_checkpoints

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_OFFERED = 200
# Of the many figures of two reports, those that people ask for.
_FIGURES = (
    "ticket.parameters",
    "ticket.neurons",
    "ticket.file_bytes",
    "source.parameters",
    "error.largest_parameter",
    "error.certified",
    "error.observed",
    "subset_size.mean",
    "problems.total",
    "accuracy.ticket",
    "accuracy.agreement",
    "seconds.construct",
)


@router.get("/compare")
def choose(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    first: Annotated[str, Query(max_length=40)] = "",
    second: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The form that asks which two."""
    tickets = list_tickets(parts.store, visitor.tenant_id, _OFFERED, None, TicketFilter()).items
    ids = {ticket.checkpoint_id for ticket in tickets}
    names = name_checkpoints(parts.store, visitor.tenant_id, ids)
    return page(
        request,
        "compare.html",
        visitor,
        tickets=tickets,
        names=names,
        first=first,
        second=second,
    )


@router.post("/compare")
async def ask(request: Request, parts: PartsDep, visitor: VisitorDep, form: FormDep) -> Response:
    """Have a worker compare them."""
    job = await run_in_threadpool(
        compare_tickets,
        parts.store,
        visitor.tenant_id,
        checked_id("ticket", str(form.get("first", ""))),
        checked_id("ticket", str(form.get("second", ""))),
        parts.settings.max_attempts,
    )
    return go_to(request, f"/comparisons/{job.id}")


@router.get("/comparisons/{job_id}")
def show(request: Request, parts: PartsDep, visitor: VisitorDep, job_id: JobId) -> Response:
    """The comparison, once it is made."""
    job = get_job(parts.store, visitor.tenant_id, job_id)
    if job.kind is not JobKind.COMPARE:
        raise NotFound("comparison", job_id)
    metrics = (job.report or {}).get("metrics", {})
    return page(
        request,
        "comparison.html",
        visitor,
        job=job,
        figures=[(name, metrics[name]) for name in _FIGURES if name in metrics],
    )
