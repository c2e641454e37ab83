"""Sweeps: batches of jobs, and what came of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from service.api.deps import BatchId, PartsDep
from service.api.result_tables import groups_as_csv, rows_as_csv
from service.api.schemas import BatchResults
from service.dashboard.pages import PageRoute, go_to, page, with_query
from service.dashboard.sweep_charts import SHOWN, axes_of, chart_sweep, name_series
from service.dashboard.visitors import FormDep, VisitorDep
from service.domain import SEED, group_lines, read_field
from service.usecases.batches import cancel_batch, list_batches, read_results

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_PAGE = 25


@router.get("/sweeps")
def show_list(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    cursor: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """The tenant's batches, newest first."""
    scope = f"dashboard sweeps/{visitor.tenant_id}"
    after = parts.cursors.decode(scope, cursor) if cursor else None
    found = list_batches(parts.store, visitor.tenant_id, _PAGE, after)
    following = found.next_after and parts.cursors.encode(scope, found.next_after)
    return page(
        request,
        "sweeps.html",
        visitor,
        batches=found.items,
        following=following and with_query("/sweeps", cursor=following),
    )


@router.get("/sweeps/{batch_id}")
def show_sweep(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    batch_id: BatchId,
    over: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """One batch: its charts over one of the swept fields, and its table."""
    batch, lines = read_results(parts.store, visitor.tenant_id, batch_id)
    swept: dict[str, Any] = batch.request["sweep"]
    fields = [path for path in swept if path != SEED]
    groups = group_lines(lines, list(swept))
    axes = axes_of(groups, fields)
    over = over if over in axes else axes[0]
    return page(
        request,
        "sweep.html",
        visitor,
        batch=batch,
        lines=lines,
        fields=fields,
        axes=axes,
        over=over,
        groups=groups,
        charts=chart_sweep(groups, lines, fields, over),
        told_apart_by=name_series(groups, fields, over) if fields else None,
        shown=SHOWN,
        read_field=read_field,
        done=sum(n for status, n in batch.counts.items() if status.terminal),
        here=with_query(f"/sweeps/{batch_id}", over=over),
    )


@router.get("/sweeps/{batch_id}/results.csv")
def download_table(
    parts: PartsDep,
    visitor: VisitorDep,
    batch_id: BatchId,
    table: Annotated[Literal["rows", "groups"], Query()] = "rows",
) -> Response:
    """The sweep's table as the API writes it: a line for each job, or for each combination."""
    batch, lines = read_results(parts.store, visitor.tenant_id, batch_id)
    write = rows_as_csv if table == "rows" else groups_as_csv
    text = write(BatchResults.of(batch, lines), list(batch.request["sweep"]))
    name = f'attachment; filename="{batch.id}-{table}.csv"'
    return Response(
        text, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


@router.post("/sweeps/{batch_id}/cancel")
def cancel(
    request: Request, parts: PartsDep, visitor: VisitorDep, batch_id: BatchId, _form: FormDep
) -> Response:
    """Cancel what has not ended."""
    cancel_batch(parts.store, visitor.tenant_id, batch_id, "canceled from the dashboard")
    return go_to(request, f"/sweeps/{batch_id}")
