"""Tickets: the list, and one ticket to be looked at."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ltengine.export.formats import ExportFormat
from service.api.deps import Parts, PartsDep, TicketId, checked_id
from service.api.downloads import ConditionsDep, file_stem, send_content
from service.dashboard.pages import PageRoute, go_to, page, with_query
from service.dashboard.ticket_charts import chart_errors, chart_sizes, chart_subsets, describe_kept
from service.dashboard.ticket_pictures import draw_beside, draw_neuron, show_mask
from service.dashboard.visitors import FormDep, Visitor, VisitorDep
from service.domain import Job, Ticket, TicketFilter
from service.errors import NotFound
from service.usecases.exports import open_export
from service.usecases.jobs import get_job
from service.usecases.plans import find_plan, submit_plan
from service.usecases.tickets import get_ticket, list_tickets, open_ticket_file, verify_ticket
from service.usecases.uploads import get_checkpoint, name_checkpoints

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_PAGE = 25


@router.get("/tickets")
def show_list(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    cursor: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """The tenant's tickets, newest first; two can be chosen to be compared."""
    scope = f"dashboard tickets/{visitor.tenant_id}"
    after = parts.cursors.decode(scope, cursor) if cursor else None
    found = list_tickets(parts.store, visitor.tenant_id, _PAGE, after, TicketFilter())
    following = found.next_after and parts.cursors.encode(scope, found.next_after)
    ids = {ticket.checkpoint_id for ticket in found.items}
    return page(
        request,
        "tickets.html",
        visitor,
        tickets=found.items,
        names=name_checkpoints(parts.store, visitor.tenant_id, ids),
        following=following and with_query("/tickets", cursor=following),
    )


@router.get("/tickets/{ticket_id}")
def show_ticket(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    ticket_id: TicketId,
    layer: Annotated[int, Query(ge=1, le=1 << 31)] = 1,
    rows: Annotated[str, Query(max_length=40)] = "",
    columns: Annotated[str, Query(max_length=40)] = "",
    asked_plan: Annotated[str, Query(alias="plan", max_length=40)] = "",
) -> Response:
    """Everything about a ticket that can be seen; `plan` names a plan of it that is being made."""
    ticket = get_ticket(parts.store, visitor.tenant_id, ticket_id)
    name, nonzero = _target_of(parts, visitor, ticket)
    spec = ticket.report.get("specification")
    # Before the plan is looked for: what has ended by then is found.
    planning = _planning(parts, visitor, asked_plan) if asked_plan else None
    plan = spec and find_plan(parts.store, visitor.tenant_id, ticket.checkpoint_id, spec)
    return page(
        request,
        "ticket.html",
        visitor,
        ticket=ticket,
        report=ticket.report,
        name=name,
        kept=describe_kept(ticket.report) if spec else None,
        errors=chart_errors(ticket.report, nonzero) if nonzero else None,
        subsets=chart_subsets(ticket.report, plan),
        foretold=plan,
        planning=None if plan else planning,
        sizes=chart_sizes(ticket),
        formats=list(ExportFormat),
        base_url=str(request.base_url).rstrip("/"),
        **draw_beside(parts, visitor, ticket),
        **show_mask(parts, visitor, ticket_id, layer, rows, columns),
        **draw_neuron(parts, visitor, ticket, None, 0),
    )


def _planning(parts: Parts, visitor: Visitor, job_id: str) -> Job:
    return get_job(parts.store, visitor.tenant_id, checked_id("plan", job_id))


def _target_of(parts: Parts, visitor: Visitor, ticket: Ticket) -> tuple[str, list[int]]:
    """The checkpoint's name, and how many parameters each of its layers has."""
    try:
        checkpoint = get_checkpoint(parts.store, visitor.tenant_id, ticket.checkpoint_id)
    except NotFound:
        return ticket.id, []
    layers: list[dict[str, Any]] = (checkpoint.summary or {}).get("layers", [])
    return checkpoint.name, [layer["nonzero"] for layer in layers]


@router.get("/tickets/{ticket_id}/file")
def download(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    ticket_id: TicketId,
    asked: ConditionsDep,
) -> Response:
    """The ticket file."""
    content, name = open_ticket_file(parts.store, visitor.tenant_id, ticket_id)
    names = (f"{ticket_id}.safetensors", f"{file_stem(name)}.ticket.safetensors")
    return send_content(content, names, asked, head=request.method == "HEAD")


@router.get("/tickets/{ticket_id}/export")
def export(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    ticket_id: TicketId,
    asked: ConditionsDep,
    form: Annotated[ExportFormat, Query(alias="format")],
) -> Response:
    """The ticket in another format; the job that makes it, where it is not made yet."""
    attempts = parts.settings.max_attempts
    found = open_export(parts.store, parts.blobs, visitor.tenant_id, ticket_id, form, attempts)
    if isinstance(found, Job):
        return go_to(request, f"/jobs/{found.id}")
    stem = file_stem(found.checkpoint_name)
    names = (f"{ticket_id}{form.suffix}", f"{stem}.ticket{form.suffix}")
    return send_content(found.content, names, asked)


@router.post("/tickets/{ticket_id}/verify")
def verify(
    request: Request, parts: PartsDep, visitor: VisitorDep, ticket_id: TicketId, _form: FormDep
) -> Response:
    """Have the ticket checked against its checkpoint."""
    attempts = parts.settings.max_attempts
    job = verify_ticket(parts.store, visitor.tenant_id, ticket_id, attempts)
    return go_to(request, f"/jobs/{job.id}")


@router.post("/tickets/{ticket_id}/plan")
def foretell(
    request: Request, parts: PartsDep, visitor: VisitorDep, ticket_id: TicketId, _form: FormDep
) -> Response:
    """Have the plan made that the charts compare with."""
    ticket = get_ticket(parts.store, visitor.tenant_id, ticket_id)
    job = submit_plan(
        parts.store,
        visitor.tenant_id,
        ticket.checkpoint_id,
        {**ticket.report["specification"], "replicates": 1},
        parts.settings.max_attempts,
    )
    return go_to(request, f"/tickets/{ticket_id}?plan={job.id}#found")
