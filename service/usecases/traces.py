"""Following links backwards: a few of a target's neurons, and what a ticket keeps for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.errors import InvalidRequest
from service.usecases.contents import Content
from service.usecases.masks import StoredLayer, open_layers
from service.usecases.target_weights import TargetWeights

_UNIVARIATE = "univariate"
_MOST_PER_LAYER = 16


@dataclass(frozen=True, slots=True)
class TracedLayer:
    """Some neurons of a layer; `width` is how many it has."""

    name: str
    width: int
    neurons: list[int] = field(default_factory=list)

    def add(self, neuron: int) -> None:
        """Add a neuron, once."""
        if neuron not in self.neurons:
            self.neurons.append(neuron)


@dataclass(frozen=True, slots=True)
class TracedLink:
    """A link from a neuron of the layer below to one of `layer`; its weight where it is known.

    `unit` is the target's neuron that the one below is a copy, or a carrier, of.
    """

    layer: int
    below: int
    above: int
    weight: float | None = None
    unit: int | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """Layers from the lowest drawn to the highest, and the links between neighbours."""

    layers: list[TracedLayer]
    links: list[TracedLink]


def trace_target(
    target: TargetWeights, top: int, neurons: Sequence[int], depth: int, fan: int
) -> Trace:
    """From neurons of layer `top` down `depth` layers, along the `fan` largest weights of each."""
    widths = target.widths
    bottom = max(0, top - depth)
    layers = [
        TracedLayer("inputs" if number == 0 else f"layer {number}", widths[number])
        for number in range(bottom, top + 1)
    ]
    links = []
    for neuron in neurons:
        layers[-1].add(neuron)
    for number in range(top, bottom, -1):
        here, below = layers[number - bottom], layers[number - bottom - 1]
        for neuron in here.neurons:
            row = target.read_row(number, neuron)
            largest = sorted(range(len(row)), key=lambda column: -abs(row[column]))[:fan]
            for column in largest:
                fits = column in below.neurons or len(below.neurons) < _MOST_PER_LAYER
                if row[column] != 0.0 and fits:
                    below.add(column)
                    links.append(TracedLink(number - bottom, column, neuron, row[column]))
    for layer in layers:
        layer.neurons.sort()
    return Trace(layers, links)


def trace_ticket(content: Content, top: int, drawn: Trace, copy: int = 0) -> Trace:
    """What the ticket keeps for the links of a traced target whose highest layer is `top`.

    Of a neuron with several copies, the one numbered `copy` is followed at the top; below it, those
    that are read.
    """
    stored = open_layers(content)
    bottom = top - len(drawn.layers) + 1
    part = [layer for layer in stored if bottom < layer.target_layer <= top]
    lowest = "inputs" if bottom == 0 else f"layer {part[0].number - 1}"
    layers = [TracedLayer(lowest, part[0].inputs)]
    layers += [TracedLayer(f"layer {layer.number}", layer.width) for layer in part]
    block = part[-1].block_size
    for neuron in drawn.layers[-1].neurons:
        layers[-1].add(neuron * block + min(copy, block - 1))
    links: list[TracedLink] = []
    for place in range(len(part), 0, -1):
        layer = part[place - 1]
        wanted = _wanted(drawn, layer.target_layer - bottom)
        below = stored[layer.number - 2] if layer.number > 1 else None
        for row in layers[place].neurons:
            columns: Iterable[int] = layer.read_row(row)
            if layer.role != _UNIVARIATE:
                units = wanted.get(row // layer.block_size, set())
                columns = [c for c in columns if _unit(below, c) in units]
            for column in columns:
                layers[place - 1].add(column)
                links.append(TracedLink(place, column, row, unit=_unit(below, column)))
    for traced in layers:
        traced.neurons.sort()
    return Trace(layers, links)


def _wanted(drawn: Trace, layer: int) -> Mapping[int, set[int]]:
    """For each drawn neuron of a target layer, the units below whose links are drawn."""
    wanted: dict[int, set[int]] = {}
    for link in drawn.links:
        if link.layer == layer:
            wanted.setdefault(link.above, set()).add(link.below)
    return wanted


def _unit(layer: StoredLayer | None, neuron: int) -> int:
    """The unit that a neuron belongs to; an input is its own, and a constant belongs to none."""
    if layer is None:
        return neuron
    unit = neuron // layer.block_size
    return unit if unit < layer.units else -1


def check_neuron(target: TargetWeights, layer: int, neuron: int) -> None:
    """Raise InvalidRequest unless the target has this neuron."""
    widths = target.widths
    if 1 <= layer < len(widths) and 0 <= neuron < widths[layer]:
        return
    detail = f"The target has layers 1 to {len(widths) - 1}; its widths are {widths[1:]}."
    problem = {"pointer": "neuron", "code": "OUT_OF_RANGE", "detail": detail}
    raise InvalidRequest(f"neuron: {detail}", [problem])
