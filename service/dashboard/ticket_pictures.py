"""The pictures of a ticket that are read out of its file: the network, one neuron, the mask."""

from __future__ import annotations

from typing import Any

from service.api.deps import Parts
from service.dashboard.mask_view import look_at
from service.dashboard.plots.network import draw_network
from service.dashboard.visitors import Visitor
from service.dashboard.wording import figure
from service.domain import Ticket
from service.errors import NotFound
from service.usecases.contents import BufferedContent
from service.usecases.masks import find_layer, open_layers
from service.usecases.target_weights import TargetWeights, open_target
from service.usecases.tickets import open_ticket_file
from service.usecases.traces import Trace, check_neuron, trace_target, trace_ticket

_OUTPUTS, _FAN = 3, 2
_NEURON_FAN = 8


def open_file(parts: Parts, visitor: Visitor, ticket_id: str) -> BufferedContent:
    """The ticket file, for many small reads."""
    content, _ = open_ticket_file(parts.store, visitor.tenant_id, ticket_id)
    return BufferedContent(content)


def _open_target(parts: Parts, visitor: Visitor, ticket: Ticket) -> TargetWeights | None:
    try:
        return open_target(parts.store, parts.blobs, visitor.tenant_id, ticket.checkpoint_id)
    except NotFound:
        return None


def draw_beside(parts: Parts, visitor: Visitor, ticket: Ticket) -> dict[str, Any]:
    """The target beside the ticket, from some outputs down to the inputs."""
    target = _open_target(parts, visitor, ticket)
    if target is None:
        return {"target_picture": None, "ticket_picture": None}
    top = len(target.widths) - 1
    outputs = range(min(_OUTPUTS, target.widths[-1]))
    drawn = trace_target(target, top, list(outputs), top, _FAN)
    kept = trace_ticket(open_file(parts, visitor, ticket.id), top, drawn)
    return {
        "target_picture": draw_network(
            "target-network",
            "The target network",
            f"{_size(drawn)}. Of each neuron drawn, its {_FAN} largest weights; dashed: negative.",
            drawn,
            "target",
        ),
        "ticket_picture": draw_network(
            "ticket-network",
            "The ticket",
            f"{_size(kept)}. The random links that the ticket keeps for the target’s links drawn.",
            kept,
            "ticket",
        ),
    }


def draw_neuron(
    parts: Parts, visitor: Visitor, ticket: Ticket, layer: int | None, neuron: int
) -> dict[str, Any]:
    """A neuron of the target with its largest weights, and what the ticket keeps for them.

    No layer: the last. Raises InvalidRequest.
    """
    target = _open_target(parts, visitor, ticket)
    if target is None:
        return {"neuron": None}
    layer = len(target.widths) - 1 if layer is None else layer
    check_neuron(target, layer, neuron)
    drawn = trace_target(target, layer, [neuron], 1, _NEURON_FAN)
    kept = trace_ticket(open_file(parts, visitor, ticket.id), layer, drawn)
    words = f"layer {layer}, neuron {neuron}"
    return {
        "neuron": {
            "layer": layer,
            "number": neuron,
            "widths": target.widths,
            "row": kept.layers[-1].neurons[0],
            "source_layer": kept.layers[-1].name,
            "nonzero": sum(1 for weight in target.read_row(layer, neuron) if weight),
            "weights": [
                (link.below, figure(link.weight), _kept_for(kept, link.below))
                for link in drawn.links
            ],
            "target": draw_network(
                "target-neuron", f"Target, {words}", f"{_size(drawn)}.", drawn, "target"
            ),
            "ticket": draw_network(
                "ticket-neuron", f"Ticket, {words}", f"{_size(kept)}.", kept, "ticket"
            ),
        }
    }


def _size(trace: Trace) -> str:
    shown = sum(len(layer.neurons) for layer in trace.layers)
    return f"{shown} neurons and {len(trace.links)} links of it are drawn"


def _kept_for(kept: Trace, unit: int) -> list[int]:
    """The columns that the neuron's row keeps for one weight of the target."""
    top = len(kept.layers) - 1
    return [link.below for link in kept.links if link.layer == top and link.unit == unit]


def show_mask(
    parts: Parts, visitor: Visitor, ticket_id: str, layer: int, rows: str, columns: str
) -> dict[str, Any]:
    """The part of the mask that is looked at; raises InvalidRequest."""
    layers = open_layers(open_file(parts, visitor, ticket_id))
    return {
        "mask": look_at(ticket_id, find_layer(layers, layer), rows, columns),
        "layers": layers,
    }
