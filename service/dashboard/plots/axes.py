"""Axes: where values lie on a picture, and which values are written beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from service.dashboard.plots.svg import element, line, text
from service.dashboard.wording import tick, unit_of

_MOST_TICKS = 6
_MOST_DECIMALS = 5


@dataclass(frozen=True, slots=True)
class Scale:
    """Values from `low` to `high`, on a line or on powers of ten, laid from `begin` to `end`."""

    low: float
    high: float
    begin: float
    end: float
    logarithmic: bool = False

    @classmethod
    def over(
        cls, values: Sequence[float], begin: float, end: float, *, logarithmic: bool = False
    ) -> Scale:
        """A scale on which all values have a place."""
        low, high = min(values), max(values)
        if logarithmic:
            low, high = low / 1.15, high * 1.15
        elif low == high:
            low, high = low - 0.5, high + 0.5
        return cls(low, high, begin, end, logarithmic)

    def place(self, value: float) -> float:
        """Where a value lies."""
        low, high = self._position(self.low), self._position(self.high)
        share = (self._position(value) - low) / (high - low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self) -> list[float]:
        """Round values within the scale."""
        if self.logarithmic:
            return self._powers()
        step = nice_step((self.high - self.low) / (_MOST_TICKS - 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def labels(self) -> list[tuple[float, str]]:
        """The round values, written with as many decimals as tell them apart."""
        values = self.ticks()
        step = nice_step((self.high - self.low) / (_MOST_TICKS - 1))
        unit, letter = unit_of(max(abs(self.low), abs(self.high)))
        decimals = max(0, math.ceil(-math.log10(step / unit) - 1e-9))
        if self.logarithmic or decimals > _MOST_DECIMALS:
            return [(value, tick(value)) for value in values]
        return [
            (value, f"{value / unit:.{decimals}f}{letter if value else ''}") for value in values
        ]

    def _powers(self) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        every: list[float] = []
        for factors in ((1,), (1, 3), (1, 2, 5)):
            every = [factor * 10.0**decade for decade in decades for factor in factors]
            every = [value for value in every if self.low <= value <= self.high]
            if len(every) >= 3:
                break
        return every[:: math.ceil(len(every) / _MOST_TICKS)] if every else [self.low, self.high]

    def _position(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def nice_step(rough: float) -> float:
    """1, 2 or 5 times a power of ten, not below a number."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle inside the axes, in a picture of a size."""

    width: float = 560
    height: float = 300
    left: float = 70
    right: float = 16
    top: float = 18
    bottom: float = 46

    def x_ends(self) -> tuple[float, float]:
        """Left and right."""
        return self.left, self.width - self.right

    def y_ends(self) -> tuple[float, float]:
        """Bottom and top: small values lie below."""
        return self.height - self.bottom, self.top

    def draw(
        self,
        x: Scale,
        y: Scale,
        x_name: str,
        y_name: str,
        x_ticks: Sequence[tuple[float, str]] | None = None,
    ) -> Markup:
        """Lines, values and names of both axes."""
        left, right = self.x_ends()
        bottom, top = self.y_ends()
        parts = []
        for value, words in y.labels():
            place = y.place(value)
            parts += [
                line(left, place, right, place, "grid"),
                text(left - 7, place + 4, words, anchor="end"),
            ]
        for value, words in x_ticks or x.labels():
            place = x.place(value)
            parts += [
                line(place, bottom, place, bottom + 4, "axis"),
                text(place, bottom + 18, words),
            ]
        parts += [
            line(left, bottom, right, bottom, "axis"),
            text((left + right) / 2, self.height - 6, x_name, "name"),
            element(
                "text",
                y_name,
                class_="name",
                text_anchor="middle",
                transform=f"translate(13 {(bottom + top) / 2:.0f}) rotate(-90)",
            ),
        ]
        return Markup("").join(parts)
