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
    """A value with the ends of its interval, where it has one."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


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


def lines(
    words: Words,
    series: Sequence[tuple[str, Sequence[Point]]],
    *,
    log_x: bool,
    log_y: bool,
    ticks: Sequence[tuple[float, str]] | None = None,
) -> Markup:
    """A line for each series, with intervals as whiskers and its name at its end."""
    frame = Frame(right=96)
    points = [point for _, found in series for point in found]
    heights = [value for p in points for value in (p.y, p.low, p.high) if value is not None]
    if log_y:
        heights = [value for value in heights if value > 0]
    x = Scale.over([p.x for p in points], *frame.x_ends(), logarithmic=log_x)
    y = Scale.over(heights if log_y else [0.0, *heights], *frame.y_ends(), logarithmic=log_y)
    drawn = [frame.draw(x, y, words.x, words.y, ticks)]
    ends: list[float] = []
    for number, (name, found) in enumerate(series):
        kind = f"series-{number % 4}"
        places = [(x.place(p.x), y.place(p.y)) for p in found]
        drawn.append(path(places, f"line {kind}"))
        for point, (left, height) in zip(found, places, strict=True):
            if point.low is not None and point.high is not None:
                low = max(point.low, y.low)
                drawn.append(
                    line(left, y.place(low), left, y.place(point.high), f"line whisker {kind}")
                )
            drawn.append(element("circle", cx=left, cy=height, r=3.2, class_=f"dot {kind}"))
        place = _free(places[-1][1], ends)
        ends.append(place)
        drawn.append(text(places[-1][0] + 8, place + 4, name, f"label {kind}", "start"))
    return _chart(words, frame, drawn)


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
