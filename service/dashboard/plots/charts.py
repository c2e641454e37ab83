"""Charts: histograms beside what was expected, lines with intervals, and sizes as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from service.dashboard.plots.axes import Frame, Scale
from service.dashboard.plots.svg import element, line, path, picture, text


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar from one value to another, and how high it is."""

    low: float
    high: float
    height: float


@dataclass(frozen=True, slots=True)
class Point:
    """A value with the ends of its interval, and the single values it stands for, where known."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    single: Sequence[float] = ()

    def heights(self) -> list[float]:
        """All values that have a place on the chart."""
        return [value for value in (self.y, self.low, self.high, *self.single) if value is not None]


@dataclass(frozen=True, slots=True)
class Words:
    """What a chart is called, what it shows, and what its axes are."""

    identifier: str
    title: str
    description: str
    x: str
    y: str


def histogram(
    words: Words,
    bars: Sequence[Bar],
    expected: Sequence[Bar],
    ticks: Sequence[tuple[float, str]] | None = None,
) -> Markup:
    """Bars, with what the theory expects as a line of steps (few bars: as marks) over them."""
    frame = Frame()
    every = [*bars, *expected]
    x = Scale(min(b.low for b in every), max(b.high for b in every), *frame.x_ends())
    y = Scale(0.0, max(b.height for b in every) * 1.05 or 1.0, *frame.y_ends())
    drawn = [_rectangle(bar, x, y) for bar in bars if bar.height]
    steps = [
        line(x.place(b.low), y.place(b.height), x.place(b.high), y.place(b.height), "theory")
        for b in expected
    ]
    axes = frame.draw(x, y, words.x, words.y, ticks)
    return _chart(words, frame, [axes, *drawn, *steps])


def _rectangle(bar: Bar, x: Scale, y: Scale) -> Markup:
    left, right, top = x.place(bar.low), x.place(bar.high), y.place(bar.height)
    gap = min(0.75, (right - left) / 8)
    return element(
        "rect",
        x=left + gap,
        y=top,
        width=max(0.3, right - left - 2 * gap),
        height=y.begin - top,
        class_="bar",
    )


@dataclass(frozen=True, slots=True)
class Axes:
    """How values are laid out; `level` is a named height to compare with."""

    log_x: bool = False
    log_y: bool = False
    from_zero: bool = True
    ticks: Sequence[tuple[float, str]] | None = None
    level: tuple[str, float] | None = None


def lines(words: Words, series: Sequence[tuple[str, Sequence[Point]]], axes: Axes) -> Markup:
    """A line for each series, with intervals as whiskers and its name at its end."""
    frame = Frame(right=96)
    points = [point for _, found in series for point in found]
    heights = [value for point in points for value in point.heights()]
    heights += [axes.level[1]] if axes.level else []
    if axes.log_y:
        heights = [value for value in heights if value > 0]
    elif axes.from_zero:
        # None of what is counted from 0 is negative, though an interval's formula may be.
        heights = [0.0, *(max(0.0, value) for value in heights)]
    x = Scale.over([p.x for p in points], *frame.x_ends(), logarithmic=axes.log_x)
    y = Scale.over(heights, *frame.y_ends(), logarithmic=axes.log_y)
    drawn = [frame.draw(x, y, words.x, words.y, axes.ticks)]
    ends: list[float] = []
    if axes.level:
        name, value = axes.level
        left, right = frame.x_ends()
        ends.append(y.place(value))
        drawn.append(line(left, ends[0], right, ends[0], "theory"))
        drawn.append(text(right + 8, ends[0] + 4, name, "label", "start"))
    for number, (name, found) in enumerate(series):
        drawn += _draw_series(found, x, y, f"series-{number % 4}")
        place = _free(y.place(found[-1].y), ends)
        ends.append(place)
        drawn.append(text(x.place(found[-1].x) + 8, place + 4, name, "label", "start"))
    return _chart(words, frame, drawn)


def _draw_series(points: Sequence[Point], x: Scale, y: Scale, kind: str) -> list[Markup]:
    """The line, its points, and around each what is known of its spread."""
    places = [(x.place(point.x), y.place(point.y)) for point in points]
    drawn = [path(places, f"line {kind}")]
    for point, (left, height) in zip(points, places, strict=True):
        if point.low is not None and point.high is not None:
            low = max(point.low, y.low)
            drawn.append(
                line(left, y.place(low), left, y.place(point.high), f"line whisker {kind}")
            )
        drawn += [
            element("circle", cx=left, cy=y.place(value), r=1.8, class_=f"single {kind}")
            for value in point.single
        ]
        drawn.append(element("circle", cx=left, cy=height, r=3.2, class_=f"dot {kind}"))
    return drawn


def _free(wanted: float, taken: Sequence[float], apart: float = 13) -> float:
    """A height near the wanted one, so that labels do not lie over each other."""
    while any(abs(wanted - other) < apart for other in taken):
        wanted += apart / 2
    return wanted


def sizes(words: Words, rows: Sequence[tuple[str, float, str]]) -> Markup:
    """Named bars on one logarithmic scale, each with its value in words."""
    height = 38.0 * len(rows) + 8
    largest, smallest = max(v for _, v, _ in rows), min(v for _, v, _ in rows)
    x = Scale(smallest / 30, largest, 8, 420, logarithmic=True)
    drawn = []
    for number, (name, value, shown) in enumerate(rows):
        top = 38.0 * number + 4
        end = x.place(value)
        drawn += [
            text(8, top + 11, name, "label", "start"),
            element("rect", x=8, y=top + 16, width=end - 8, height=11, class_=f"bar size-{number}"),
            text(end + 8, top + 26, shown, "value", "start"),
        ]
    return picture(words.identifier, (560, height), words.title, words.description, drawn)


def _chart(words: Words, frame: Frame, inside: Sequence[Markup]) -> Markup:
    size = (frame.width, frame.height)
    return picture(words.identifier, size, words.title, words.description, inside)
