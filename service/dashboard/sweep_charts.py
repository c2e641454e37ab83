"""The charts of a sweep: each metric over a swept field, a line for the other fields' values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from service.dashboard.plots.charts import Axes, Point, Words, lines
from service.dashboard.wording import field_words, figure, spec_value
from service.domain import SEED, BatchLine, JobStatus, read_field

SHOWN = {
    "parameters": "parameters kept",
    "source_parameters": "parameters of the source",
    "certified_error": "certified error",
    "observed_error": "largest error found",
    "accuracy": "accuracy",
    "mean_subset_size": "links per parameter",
    "seconds": "seconds",
}
WIDTH = "width"
"""The charts' axis that no field of a spec names: how wide the source had to be."""
_WIDTH_METRIC = "source_parameters"
_SIZE = "base_set.size"
_WIDE = 20.0
_MOST_SERIES = 4

Group = Mapping[str, Any]


def axes_of(groups: Sequence[Group], fields: Sequence[str]) -> list[str]:
    """What the charts of a sweep over these fields can lie over, the first as it is opened."""
    if not fields:
        return [SEED]
    found = [group["metrics"][_WIDTH_METRIC] for group in groups]
    widths = {summary["mean"] for summary in found if summary is not None}
    return [*fields, WIDTH] if len(widths) > 1 else list(fields)


def chart_sweep(
    groups: Sequence[Group], batch_lines: Sequence[BatchLine], fields: Sequence[str], over: str
) -> list[Markup]:
    """A chart for each metric that some job has, over one of `axes_of` the fields."""
    done = [line for line in batch_lines if line.status is JobStatus.SUCCEEDED]
    sweep = _Sweep([group for group in groups if group["succeeded"]], done, list(fields), over)
    return [
        sweep.chart(metric, name)
        for metric, name in SHOWN.items()
        if any(line.metrics()[metric] is not None for line in done)
        and not (over == WIDTH and metric == _WIDTH_METRIC)
    ]


def name_series(groups: Sequence[Group], fields: Sequence[str], over: str) -> str | None:
    """What the lines of the charts are told apart by; None where there is one line alone."""
    others = _told_apart_by(fields, over)
    several = {str([group["spec"][field] for field in others]) for group in groups}
    return ", ".join(map(field_words, others)) if len(several) > 1 else None


def _told_apart_by(fields: Sequence[str], over: str) -> list[str]:
    # A source is as wide as its base sets ask for: along that field a line follows the width.
    along = over if over != WIDTH else _SIZE if _SIZE in fields else fields[0]
    return [field for field in fields if field != along]


class _Sweep:
    """What came of a sweep, and what its charts lie over."""

    def __init__(
        self, groups: list[Group], done: list[BatchLine], fields: list[str], over: str
    ) -> None:
        self._groups, self._done = groups, done
        self._fields, self._over = fields, over
        self._of_group: dict[str, list[BatchLine]] = {}
        for line in done:
            spec = {field: read_field(line.spec, field) for field in fields}
            self._of_group.setdefault(repr(spec), []).append(line)

    def chart(self, metric: str, name: str) -> Markup:
        """One metric."""
        series = self._seeds(metric) if self._over == SEED else self._series(metric)
        shown = list(series.items())[:_MOST_SERIES]
        points = [point for _, found in shown for point in found]
        places = self._places()
        numbers = [point.x for point in points]
        scattered = metric == "accuracy"
        words = Words(
            f"sweep-{metric}",
            f"{name} over {field_words(self._over)}",
            f"From {figure(min(p.y for p in points))} to {figure(max(p.y for p in points))}, "
            f"{self._what()}{_left_out(len(series))}. The table below has every number.",
            field_words(self._over),
            name,
        )
        axes = Axes(
            log_x=places is None and self._over != SEED and _spread(numbers),
            log_y=_spread([point.y for point in points]),
            from_zero=not scattered,
            ticks=None if places is None else [(at, value) for value, at in places.items()],
            level=self._target() if scattered else None,
        )
        ordered = [(label, sorted(found, key=lambda point: point.x)) for label, found in shown]
        return lines(words, ordered, axes)

    def _what(self) -> str:
        return "one for each seed" if self._over == SEED else "means over seeds with 95 % intervals"

    def _target(self) -> tuple[str, float] | None:
        known = [line.metrics()["target_accuracy"] for line in self._done]
        return next((("target", value) for value in known if value is not None), None)

    def _seeds(self, metric: str) -> dict[str, list[Point]]:
        known = [(line.spec, line.metrics()[metric]) for line in self._done]
        found = [Point(read_field(spec, SEED), y) for spec, y in known if y is not None]
        return {"": found}

    def _series(self, metric: str) -> dict[str, list[Point]]:
        series: dict[str, list[Point]] = {}
        others = _told_apart_by(self._fields, self._over)
        for group in self._groups:
            found = group["metrics"][metric]
            if found is None:
                continue
            low, high = found["interval"] or (None, None)
            label = ", ".join(spec_value(group["spec"][field]) for field in others)
            point = Point(self._place(group), found["mean"], low, high, self._single(group, metric))
            series.setdefault(label, []).append(point)
        return series

    def _single(self, group: Group, metric: str) -> list[float]:
        """The values of the group's seeds, where there are several."""
        known = [line.metrics()[metric] for line in self._of_group[repr(dict(group["spec"]))]]
        values = [value for value in known if value is not None]
        return values if len(values) > 1 else []

    def _place(self, group: Group) -> float:
        if self._over == WIDTH:
            return float(group["metrics"][_WIDTH_METRIC]["mean"])
        value, places = group["spec"][self._over], self._places()
        return float(value) if places is None else places[spec_value(value)]

    def _places(self) -> dict[str, float] | None:
        """Where the field's values lie that are not all numbers: beside each other."""
        if self._over in (WIDTH, SEED):
            return None
        values = [group["spec"][self._over] for group in self._groups]
        if all(_is_number(value) for value in values):
            return None
        named = sorted({spec_value(value) for value in values})
        return {value: float(at) for at, value in enumerate(named)}


def _left_out(series: int) -> str:
    return f"; the first {_MOST_SERIES} of {series} lines" if series > _MOST_SERIES else ""


def _spread(values: Sequence[float]) -> bool:
    """Whether values are better laid on powers of ten."""
    return min(values) > 0 and max(values) / min(values) > _WIDE


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
