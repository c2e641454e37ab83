"""The charts of a ticket: what its report counted, beside what the theory expects."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from service.dashboard.plots.axes import nice_step
from service.dashboard.plots.charts import Bar, Words, histogram, sizes
from service.dashboard.wording import count, figure, percent, size
from service.domain import Ticket

_FEWEST_BINS = 60
_BYTES_PER_VALUE = 4
_BYTES_PER_PLACE = 4


def chart_errors(report: Mapping[str, Any], nonzero: Sequence[int]) -> Markup | None:
    """How far parameters are off; `nonzero` counts each target layer's parameters."""
    counted = report.get("error", {}).get("histogram") or {"edges": [], "counts": []}
    if not counted["counts"]:
        return None
    largest = report["error"]["largest_parameter"]
    unit = nice_step(largest / 10)
    bars = _densities([min(edge, largest) for edge in counted["edges"]], counted["counts"], unit)
    tolerances = [layer["tolerance"] for layer in report["source"]["base_sets"]]
    expected = []
    if report["specification"]["objective"] == "smallest_subsets":
        expected = _uniform(tolerances, nonzero, unit * sum(counted["counts"]))
    words = Words(
        "errors",
        "Errors of the ticket’s parameters",
        f"A histogram of {count(sum(counted['counts']))} parameter errors from 0 to "
        f"{figure(largest)}; their mean is {figure(report['error'].get('mean_parameter'))}. "
        "The line is what is expected of a subset that is merely within its tolerance: every "
        "error up to the tolerance is equally likely.",
        "error of a parameter",
        f"parameters per {figure(unit)}",
    )
    return histogram(words, bars, expected)


def _densities(edges: Sequence[float], counts: Sequence[int], unit: float) -> list[Bar]:
    """Bars as high as there are counts in a unit of the axis; too narrow ones are joined."""
    least = (edges[-1] - edges[0]) / _FEWEST_BINS
    bars: list[Bar] = []
    low, held = 0.0, 0
    for (_, high), number in zip(itertools.pairwise(edges), counts, strict=True):
        held += number
        if high - low >= least:
            bars.append(Bar(low, high, unit * held / (high - low)))
            low, held = high, 0
    if held and edges[-1] > low:
        bars.append(Bar(low, edges[-1], unit * held / (edges[-1] - low)))
    return bars


def _uniform(tolerances: Sequence[float], nonzero: Sequence[int], total: int) -> list[Bar]:
    """The density where each layer's errors are uniform up to its tolerance."""
    shares = [number / sum(nonzero) for number in nonzero]
    steps = [0.0, *sorted(set(tolerances))]
    return [
        Bar(
            low,
            high,
            total * sum(s / t for s, t in zip(shares, tolerances, strict=True) if t >= high),
        )
        for low, high in itertools.pairwise(steps)
    ]


def chart_subsets(report: Mapping[str, Any], plan: Mapping[str, Any] | None) -> Markup | None:
    """How many links problems took, beside what the plan expected."""
    found = (report.get("subset_size") or {}).get("histogram")
    if not found:
        return None
    foretold = ((plan or {}).get("subset_size") or {}).get("histogram") or {}
    largest = max(int(number) for number in (*found, *foretold))
    mean = report["subset_size"]["mean"]
    told = ""
    if plan and foretold:
        told = (
            f" The marks are the plan’s prediction, {figure(plan['subset_size']['mean'])} in the "
            "mean, from statistics of random problems."
        )
    words = Words(
        "subsets",
        "Links for each parameter",
        f"A histogram of how many links each of {count(sum(found.values()))} subset-sum problems "
        f"took, {figure(mean)} in the mean.{told}",
        "links in the smallest subset",
        "problems",
    )
    return histogram(
        words,
        _at_numbers(found, 0.36),
        _at_numbers(foretold, 0.46),
        [(number, str(number)) for number in range(largest + 1)],
    )


def _at_numbers(counts: Mapping[str, int], half: float) -> list[Bar]:
    return [Bar(int(k) - half, int(k) + half, n) for k, n in counts.items() if n]


def chart_sizes(ticket: Ticket) -> Markup | None:
    """The same network as dense weights, as sparse weights, and as a seed and a mask."""
    report = ticket.report
    if "source" not in report or "ticket" not in report:
        return None
    kept = report["ticket"]["parameters"]
    rows = [
        ("Source, every weight", _BYTES_PER_VALUE * report["source"]["parameters"]),
        ("Ticket, sparse: a value and a place each", (_BYTES_PER_VALUE + _BYTES_PER_PLACE) * kept),
        ("Ticket file: seed and mask", ticket.bytes),
        ("Target, dense", _BYTES_PER_VALUE * _dense(report["target"]["layers"])),
    ]
    shown = [(name, float(value), size(value)) for name, value in rows]
    said = "; ".join(f"{name}: {words}" for name, _, words in shown)
    words = Words("sizes", "Sizes", f"On a logarithmic scale. {said}.", "", "")
    return sizes(words, shown)


def _dense(widths: Sequence[int]) -> int:
    return sum((below + 1) * above for below, above in itertools.pairwise(widths))


def describe_kept(report: Mapping[str, Any]) -> str:
    """How much of the source stays, in words."""
    kept, every = report["ticket"]["parameters"], report["source"]["parameters"]
    return f"{percent(kept / every)} of {count(every)}"
