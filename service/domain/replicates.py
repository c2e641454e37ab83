"""One report from the reports of replicates: tickets of one target from different sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.domain.intervals import summarise

# A histogram of each replicate has keys of its own; its mean is what papers print.
_SUMMARISED = ("ticket", "error", "problems", "subset_size", "accuracy", "seconds")
_LEFT_OUT = frozenset({"histogram"})


def report_replicates(
    reports: Sequence[Mapping[str, Any]], tickets: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Every number of the reports as its mean over the replicates, with a 95 % interval.

    `tickets` says which ticket came from which job and seed, and is kept as it is.
    """
    first = reports[0]
    sections = {
        name: _merge([report[name] for report in reports]) for name in _SUMMARISED if name in first
    }
    kept = {name: first[name] for name in ("target", "source", "device") if name in first}
    return {"replicates": len(reports), **kept, **sections, "tickets": [*map(dict, tickets)]}


def _merge(values: Sequence[Any]) -> Any:
    """The summary of numbers, or of each number inside; None for what has no numbers."""
    if all(isinstance(value, Mapping) for value in values):
        names = [name for name in values[0] if all(name in value for value in values)]
        merged = {
            name: _merge([value[name] for value in values])
            for name in names
            if name not in _LEFT_OUT
        }
        return {name: value for name, value in merged.items() if value is not None} or None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return summarise(values)
    return None
