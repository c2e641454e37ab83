"""Networks drawn: a column of circles for each layer, lines for links."""

from __future__ import annotations

import math

from markupsafe import Markup

from service.dashboard.plots.svg import element, picture, text
from service.dashboard.wording import count
from service.usecases.traces import Trace

_HEIGHT, _TOP, _BOTTOM = 400.0, 12.0, 64.0
_WIDTH, _SIDE = 540.0, 34.0
# What a label takes on a telephone, where letters are drawn larger than the rest.
_LABEL = 66.0


def draw_network(identifier: str, title: str, description: str, trace: Trace, kind: str) -> Markup:
    """A traced part of a network; `kind` (target or ticket) chooses its colours."""
    places = [
        {neuron: _height(index, len(layer.neurons)) for index, neuron in enumerate(layer.neurons)}
        for layer in trace.layers
    ]
    step = (_WIDTH - 2 * _SIDE) / max(1, len(places) - 1)
    largest = max((abs(link.weight) for link in trace.links if link.weight is not None), default=1)
    drawn = []
    for link in trace.links:
        strength = 1.0 if link.weight is None else 0.5 + 2.2 * abs(link.weight) / largest
        negative = link.weight is not None and link.weight < 0
        drawn.append(
            element(
                "line",
                x1=_SIDE + step * (link.layer - 1),
                y1=places[link.layer - 1][link.below],
                x2=_SIDE + step * link.layer,
                y2=places[link.layer][link.above],
                stroke_width=strength,
                class_=f"link {kind}{' negative' if negative else ''}",
            )
        )
    every = math.ceil(_LABEL / step)
    for column, (layer, heights) in enumerate(zip(trace.layers, places, strict=True)):
        x = _SIDE + step * column
        radius = 5.0 if len(heights) <= 20 else 3.0 if len(heights) <= 50 else 1.8
        drawn += [
            element(
                "circle",
                element("title", f"{layer.name}, neuron {neuron}"),
                cx=x,
                cy=y,
                r=radius,
                class_=f"neuron {kind}",
            )
            for neuron, y in heights.items()
        ]
        if (len(places) - 1 - column) % every:
            continue
        drawn += [
            text(x, _HEIGHT - 38, layer.name, "tick"),
            text(x, _HEIGHT - 21, f"{len(heights)} of", "tick soft"),
            text(x, _HEIGHT - 6, count(layer.width), "tick soft"),
        ]
    return picture(identifier, (_WIDTH, _HEIGHT), title, description, drawn, "plot network")


def _height(index: int, total: int) -> float:
    room = _HEIGHT - _TOP - _BOTTOM
    return _TOP + room * (index + 0.5) / total
