"""The charts of a sweep: each metric over a swept field, a line for the other fields' values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from service.dashboard.plots.charts import Point, Words, lines
from service.dashboard.wording import figure

SHOWN = {
    "parameters": "parameters kept",
    "source_parameters": "parameters of the source",
    "certified_error": "certified error",
    "observed_error": "largest error found",
    "accuracy": "accuracy",
    "mean_subset_size": "links per parameter",
    "seconds": "seconds",
}
_WIDE = 20.0
_MOST_SERIES = 4

Group = Mapping[str, Any]


def chart_sweep(groups: Sequence[Group], fields: Sequence[str], over: str) -> list[Markup]:
    """A chart for each metric that some job has, over one of the swept fields."""
    done = [group for group in groups if group["succeeded"]]
    if not done:
        return []
    return [
        _chart(metric, name, done, fields, over)
        for metric, name in SHOWN.items()
        if any(group["metrics"][metric] is not None for group in done)
    ]


def _chart(
    metric: str, name: str, groups: Sequence[Group], fields: Sequence[str], over: str
) -> Markup:
    known = [group for group in groups if group["metrics"][metric] is not None]
    values = _in_order({group["spec"][over] for group in known})
    numbers = all(_is_number(value) for value in values)
    places = {value: float(value) if numbers else float(at) for at, value in enumerate(values)}
    series: dict[str, list[Point]] = {}
    for group in known:
        found = group["metrics"][metric]
        low, high = found["interval"] or (None, None)
        point = Point(places[group["spec"][over]], found["mean"], low, high)
        others = [str(group["spec"][field]) for field in fields if field != over]
        series.setdefault(", ".join(others), []).append(point)
    shown = list(series.items())[:_MOST_SERIES]
    means = [point.y for _, points in shown for point in points]
    ticks = None if numbers else [(float(at), str(value)) for at, value in enumerate(values)]
    words = Words(
        f"sweep-{metric}",
        f"{name} over {over}",
        f"From {figure(min(means))} to {figure(max(means))}, means over seeds with their 95 % "
        f"intervals{_left_out(len(series))}. The table below has every number.",
        over,
        name,
    )
    return lines(
        words,
        [(label, sorted(points, key=lambda point: point.x)) for label, points in shown],
        log_x=numbers and _spread(list(places.values())),
        log_y=_spread(means),
        ticks=ticks,
    )


def _left_out(series: int) -> str:
    return f"; the first {_MOST_SERIES} of {series} lines" if series > _MOST_SERIES else ""


def _spread(values: Sequence[float]) -> bool:
    """Whether values are better laid on powers of ten."""
    return min(values) > 0 and max(values) / min(values) > _WIDE


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _in_order(values: set[Any]) -> list[Any]:
    return sorted(
        values,
        key=lambda value: (not _is_number(value), value if _is_number(value) else str(value)),
    )
