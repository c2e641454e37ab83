"""Pairs of bars: two things beside each other, and what they have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from service.dashboard.plots.axes import Scale
from service.dashboard.plots.charts import Words
from service.dashboard.plots.svg import element, picture, text
from service.dashboard.wording import count

_ROW, _BAR = 62.0, 13.0
_WIDTH, _END = 560.0, 440.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two numbers under a name; None where one has no such thing, or nothing can be common."""

    name: str
    first: int | None
    second: int | None
    common: int | None


def pairs(words: Words, rows: Sequence[Pair]) -> Markup:
    """A pair of bars for each row on one logarithmic scale; the common part is drawn inside."""
    values = [value for row in rows for value in (row.first, row.second, row.common) if value]
    scale = Scale(min(values, default=1) / 4, max(values, default=1), 8, _END, logarithmic=True)
    drawn = []
    for number, row in enumerate(rows):
        top = _ROW * number + 4
        drawn.append(text(8, top + 12, row.name, "label", "start"))
        for value, offset, kind in ((row.first, 18.0, "first"), (row.second, 34.0, "second")):
            if not value:
                continue
            end = scale.place(value)
            drawn.append(_bar(top + offset, end, kind))
            if row.common:
                drawn.append(_bar(top + offset + 4, scale.place(row.common), "common", _BAR - 8))
            drawn.append(text(end + 8, top + offset + 11, count(value), "value", "start"))
    size = (_WIDTH, _ROW * len(rows) + 8)
    return picture(words.identifier, size, words.title, words.description, drawn)


def _bar(top: float, end: float, kind: str, height: float = _BAR) -> Markup:
    return element("rect", x=8, y=top, width=end - 8, height=height, class_=f"bar {kind}")
