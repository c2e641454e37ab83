"""Parts of a ticket's page that change alone: the mask's part, and the chosen neuron."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from service.api.deps import PartsDep, TicketId
from service.api.downloads import FOREVER
from service.dashboard.mask_view import HEIGHT, WIDTH, look_at
from service.dashboard.pages import PageRoute, page
from service.dashboard.png import draw_shares
from service.dashboard.ticket_pictures import draw_neuron, open_file, show_mask
from service.dashboard.visitors import VisitorDep
from service.usecases.mask_pictures import draw_mask
from service.usecases.masks import find_layer, open_layers
from service.usecases.tickets import get_ticket

router = APIRouter(prefix="/tickets/{ticket_id}", route_class=PageRoute, include_in_schema=False)

Layer = Annotated[int, Query(ge=1, le=1 << 31)]
Range = Annotated[str, Query(max_length=40)]


@router.get("/mask")
def show_part(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    ticket_id: TicketId,
    layer: Layer = 1,
    rows: Range = "",
    columns: Range = "",
) -> Response:
    """A part of a layer's mask, with the buttons that lead to others."""
    shown = show_mask(parts, visitor, ticket_id, layer, rows, columns)
    return page(request, "mask.html", visitor, **shown)


@router.get("/mask.png")
def draw_part(
    parts: PartsDep,
    visitor: VisitorDep,
    ticket_id: TicketId,
    layer: Layer = 1,
    rows: Range = "",
    columns: Range = "",
) -> Response:
    """The picture of a part; it never changes."""
    content = open_file(parts, visitor, ticket_id)
    view = look_at(ticket_id, find_layer(open_layers(content), layer), rows, columns)
    drawn = draw_mask(content, layer, view.region, HEIGHT, WIDTH)
    data = draw_shares(drawn.width, drawn.height, drawn.shares)
    return Response(data, media_type="image/png", headers={"Cache-Control": FOREVER})


@router.get("/neuron")
def show_neuron(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    ticket_id: TicketId,
    target_layer: Annotated[int, Query(ge=1, le=1 << 31)] = 1,
    neuron: Annotated[int, Query(ge=0, le=1 << 31)] = 0,
) -> Response:
    """A neuron of the target, and what the ticket keeps to compute it."""
    ticket = get_ticket(parts.store, visitor.tenant_id, ticket_id)
    shown = draw_neuron(parts, visitor, ticket, target_layer, neuron)
    return page(request, "neuron.html", visitor, ticket=ticket, **shown)
