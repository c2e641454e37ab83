"""How figures, times and states read: the filters of the templates."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

_UNITS = ("bytes", "kB", "MB", "GB", "TB")
NOTHING = "–"


def count(value: float | None) -> str:
    """A whole number with its thousands apart."""
    return NOTHING if value is None else f"{round(value):,}".replace(",", "\u202f")


def figure(value: float | None, digits: int = 3) -> str:
    """A number to so many significant digits, as people write it."""
    if value is None:
        return NOTHING
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    if abs(value) >= 10**digits:
        return count(value) if abs(value) < 1e7 else power(value, digits)
    if abs(value) < 1e-4:
        return power(value, digits)
    return f"{value:.{digits}g}"


def unit_of(value: float) -> tuple[float, str]:
    """The unit in which a number beside an axis is short, and how it is written after it."""
    for least, unit, letter in ((1e9, 1e9, " G"), (1e6, 1e6, " M"), (1e4, 1e3, " k")):
        if abs(value) >= least:
            return unit, letter
    return 1.0, ""


def tick(value: float) -> str:
    """A number beside an axis, short."""
    unit, letter = unit_of(value)
    return f"{value / unit:.4g}{letter}" if letter else figure(value)


def power(value: float, digits: int = 3) -> str:
    """A number with its power of ten written out."""
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}·10{raised}"


def percent(value: float | None) -> str:
    """A share, in per cent with two digits."""
    return NOTHING if value is None else f"{100 * value:.2f} %"


def size(value: float | None) -> str:
    """A number of bytes."""
    if value is None:
        return NOTHING
    for unit in _UNITS:
        if abs(value) < 1000 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.3g} {unit}"


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None:
        return NOTHING
    if value < 60:
        return f"{value:.2g} s" if value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def moment(value: datetime | None) -> str:
    """A time, in UTC to the second."""
    return NOTHING if value is None else value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def machine_time(value: datetime) -> str:
    """A time as the attribute of <time> wants it."""
    return value.astimezone(UTC).isoformat(timespec="seconds")


def pretty(value: object) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def short_id(identifier: str) -> str:
    """The end of an id: enough to tell two apart on one page."""
    return f"{identifier[:4]}…{identifier[-6:]}"


def summary(spec: Mapping[str, Any]) -> str:
    """A construction in a few words."""
    if "other_ticket_id" in spec:
        return f"{short_id(spec['ticket_id'])} and {short_id(spec['other_ticket_id'])}"
    if "construction" not in spec:
        return ", ".join(f"{name} {value}" for name, value in list(spec.items())[:3])
    tolerance = spec["tolerance"]
    within = (
        f"every parameter within {figure(tolerance['parameter'])}"
        if tolerance.get("parameter") is not None
        else f"output within {figure(tolerance['output'])}"
    )
    return f"{spec['construction']}, {within}, seed {spec['source']['seed']}"


_FIELDS = {
    "construction": "construction",
    "objective": "objective",
    "tolerance.parameter": "tolerance of a parameter",
    "tolerance.output": "tolerance of the output",
    "failure_probability": "failure probability",
    "base_set": "base sets",
    "base_set.size": "size of a base set",
    "base_set.largest_subset": "largest subset",
    "activation.name": "activation",
    "source.seed": "seed",
    "source.distribution": "distribution",
    "source.initialization": "initialisation",
    "source.depth": "depth of the source",
    "source.carriers": "carriers",
    "width": "width of the source (its parameters)",
}


def field_words(path: str) -> str:
    """A field of a spec, as people call it."""
    return _FIELDS.get(path, path)


def spec_value(value: object) -> str:
    """A value of a spec's field."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}" if isinstance(value, float) else str(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def zip_same(values: Iterable[str]) -> list[tuple[str, str]]:
    """Choices that are shown as they are sent."""
    return [(value, value) for value in values]


FILTERS: dict[str, Callable[..., Any]] = {
    "count": count,
    "figure": figure,
    "percent": percent,
    "size": size,
    "seconds": seconds,
    "moment": moment,
    "machine_time": machine_time,
    "pretty": pretty,
    "short_id": short_id,
    "summary": summary,
    "field_words": field_words,
    "spec_value": spec_value,
    "zip_same": zip_same,
}
