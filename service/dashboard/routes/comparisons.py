"""Two tickets beside each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from service.api.deps import JobId, Parts, PartsDep, checked_id
from service.dashboard.pages import PageRoute, go_to, page
from service.dashboard.plots.charts import Words
from service.dashboard.plots.pairs import Pair, pairs
from service.dashboard.visitors import FormDep, Visitor, VisitorDep
from service.dashboard.wording import count, figure, percent, seconds, size, summary
from service.domain import JobKind, TicketFilter
from service.errors import NotFound
from service.usecases.jobs import get_job
from service.usecases.tickets import compare_tickets, get_ticket, list_tickets
from service.usecases.uploads import name_checkpoints

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_OFFERED = 200
_TWO = 2
# Of the many figures of two reports, those that people ask for, and how each is written.
_FIGURES: tuple[tuple[str, str, Callable[[float | None], str]], ...] = (
    ("ticket.parameters", "parameters kept", count),
    ("ticket.neurons", "neurons", count),
    ("ticket.file_bytes", "ticket file", size),
    ("source.parameters", "parameters of the source", count),
    ("error.largest_parameter", "largest parameter error", figure),
    ("error.certified", "certified error", figure),
    ("error.observed", "largest error found", figure),
    ("subset_size.mean", "links per parameter", figure),
    ("problems.total", "subset-sum problems", count),
    ("accuracy.ticket", "accuracy", percent),
    ("accuracy.agreement", "agreement with the target", percent),
    ("seconds.construct", "time to construct", seconds),
)
_REASONS = {
    "NO_SUCH_LAYER": "only one ticket has this layer",
    "DIFFERENT_SEED": "different seeds",
    "DIFFERENT_DISTRIBUTION": "different distributions",
    "DIFFERENT_SHAPE": "different widths",
    "DIFFERENT_PAIRING": "paired differently",
}


@router.get("/compare")
def choose(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    first: Annotated[str, Query(max_length=40)] = "",
    second: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """The form that asks which two."""
    return _form_page(request, parts, visitor, [first, second])


def _form_page(
    request: Request, parts: Parts, visitor: Visitor, chosen: list[str], fault: str | None = None
) -> Response:
    tickets = list_tickets(parts.store, visitor.tenant_id, _OFFERED, None, TicketFilter()).items
    ids = {ticket.checkpoint_id for ticket in tickets}
    first, second = ([found for found in chosen if found] + ["", ""])[:2]
    others = (ticket.id for ticket in tickets if ticket.id != first)
    first = first or next(others, "")
    return page(
        request,
        "compare.html",
        visitor,
        status=422 if fault else 200,
        tickets=tickets,
        names=name_checkpoints(parts.store, visitor.tenant_id, ids),
        first=first,
        second=second or next(others, ""),
        fault=fault,
    )


@router.post("/compare")
async def ask(request: Request, parts: PartsDep, visitor: VisitorDep, form: FormDep) -> Response:
    """Have a worker compare the two."""
    chosen = [str(value) for value in form.getlist("ticket")]
    if len(chosen) != _TWO:
        fault = f"Choose exactly two tickets; {len(chosen) or 'none'} were chosen."
        return await run_in_threadpool(_form_page, request, parts, visitor, chosen, fault)
    job = await run_in_threadpool(
        compare_tickets,
        parts.store,
        visitor.tenant_id,
        checked_id("ticket", chosen[0]),
        checked_id("ticket", chosen[1]),
        parts.settings.max_attempts,
    )
    return go_to(request, f"/comparisons/{job.id}")


@router.get("/comparisons/{job_id}")
def show(request: Request, parts: PartsDep, visitor: VisitorDep, job_id: JobId) -> Response:
    """The comparison, once it is made."""
    job = get_job(parts.store, visitor.tenant_id, job_id)
    if job.kind is not JobKind.COMPARE:
        raise NotFound("comparison", job_id)
    report = job.report or {}
    metrics = report.get("metrics", {})
    ids = (job.spec["ticket_id"], job.spec["other_ticket_id"])
    return page(
        request,
        "comparison.html",
        visitor,
        job=job,
        first=_words_of(parts, visitor, ids[0]),
        second=_words_of(parts, visitor, ids[1]),
        figures=[
            (words, write, metrics[name]) for name, words, write in _FIGURES if name in metrics
        ],
        chart=_chart(report["layers"]) if "layers" in report else None,
        reasons=_REASONS,
    )


def _words_of(parts: Parts, visitor: Visitor, ticket_id: str) -> str:
    """What a ticket was asked for as; its id where it is no longer there."""
    try:
        report = get_ticket(parts.store, visitor.tenant_id, ticket_id).report
    except NotFound:
        return ticket_id
    return summary(report["specification"]) if "specification" in report else ticket_id


def _chart(layers: Sequence[Mapping[str, Any]]) -> Markup:
    rows = [
        Pair(
            f"layer {layer['layer']}",
            (layer["first"] or {}).get("parameters"),
            (layer["second"] or {}).get("parameters"),
            (layer["overlap"] or {}).get("intersection"),
        )
        for layer in layers
    ]
    words = Words(
        "layers",
        "Parameters that each ticket keeps, layer by layer",
        "Two bars for each layer on a logarithmic scale, with what both keep inside. The table "
        "below has every number.",
        "",
        "",
    )
    return pairs(words, rows)
