"""The form that a sweep is made with: that of a spec, in which some fields take several values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.dashboard.spec_form import DEFAULTS, read_spec
from service.domain import SEED, read_field

SWEEP_DEFAULTS: Mapping[str, str] = {
    **DEFAULTS,
    "construction": "2L",
    "tolerance": "0.02, 0.01, 0.005",
    "replicates": "3",
    "name": "sweep",
}
_SEVERAL = ("construction", "tolerance", "size")


def read_sweep(
    fields: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The base spec, the values that its fields take in turn, and what is wrong by form field.

    The seeds are always among what is swept.
    """
    lists = {name: _values(fields.get(name, "")) for name in _several(fields)}
    first = {**fields, **{name: values[0] for name, values in lists.items() if values}}
    base, faults = read_spec(first)
    sweep: dict[str, Any] = {}
    for name, values in lists.items():
        found = []
        for value in values:
            spec, wrong = read_spec({**first, name: value})
            if name in wrong:
                faults[name] = f"{value}: {wrong[name]}"
            elif spec:
                found.append(read_field(spec, _place(name, fields)))
        if len(values) > 1:
            sweep[_place(name, fields)] = found
        elif not values:
            faults[name] = "choose at least one"
    if faults:
        return {}, {}, faults
    sweep[SEED] = {"start": base["source"]["seed"], "count": base["replicates"]}
    return {**base, "replicates": 1}, sweep, {}


def _several(fields: Mapping[str, str]) -> list[str]:
    """The fields that may have several values; base sets that are chosen for us have no size."""
    automatic = fields.get("base_set_by") == "auto"
    return [name for name in _SEVERAL if not (automatic and name == "size")]


def _values(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _place(name: str, fields: Mapping[str, str]) -> str:
    kind = fields.get("tolerance_of", "parameter")
    return {"tolerance": f"tolerance.{kind}", "size": "base_set.size"}.get(name, name)
