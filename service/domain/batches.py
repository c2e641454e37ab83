"""Batches: many jobs from one request, and one table of what came of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain.intervals import summarise
from service.domain.jobs import JobStatus

SEED = "source.seed"

METRICS: dict[str, tuple[str, str]] = {
    "parameters": ("ticket", "parameters"),
    "target_parameters": ("target", "parameters"),
    "source_parameters": ("source", "parameters"),
    "accuracy": ("accuracy", "ticket"),
    "target_accuracy": ("accuracy", "target"),
    "agreement": ("accuracy", "agreement"),
    "largest_parameter_error": ("error", "largest_parameter"),
    "certified_error": ("error", "certified"),
    "observed_error": ("error", "observed"),
    "mean_subset_size": ("subset_size", "mean"),
    "seconds": ("seconds", "total"),
}
"""The columns of a batch's table, and where a construction's report has them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A sweep: a base spec and the values that some of its fields take in turn.

    `counts` says how many of its jobs are in each state; jobs that were deleted are in none.
    """

    id: str
    tenant_id: str
    name: str
    request: dict[str, Any]
    total: int
    counts: dict[JobStatus, int]
    created_at: datetime

    @property
    def terminal(self) -> bool:
        """Whether all jobs have ended."""
        return all(status.terminal for status in self.counts)


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One job of a batch, as far as its table shows it."""

    job_id: str
    status: JobStatus
    spec: dict[str, Any]
    report: dict[str, Any] | None
    ticket_id: str | None
    error_code: str | None

    def metrics(self) -> dict[str, int | float | None]:
        """The job's numbers; None for what its report does not have (yet)."""
        report = self.report or {}
        return {
            name: (report.get(section) or {}).get(field)
            for name, (section, field) in METRICS.items()
        }


def count_points(sweep: Mapping[str, Sequence[Any]]) -> int:
    """How many specs a sweep makes."""
    return math.prod(len(values) for values in sweep.values())


def expand_sweep(
    base: Mapping[str, Any], sweep: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every combination of the swept values, and the base spec with these in it.

    The last field of the sweep varies fastest. Raises ValueError where a field of the base is no
    object, so that nothing can lie inside it.
    """
    for values in itertools.product(*sweep.values()):
        point = dict(zip(sweep, values, strict=True))
        spec = dict(base)
        for path, value in point.items():
            spec = _with(spec, path.split("."), value)
        yield point, spec


def read_field(spec: Mapping[str, Any], path: str) -> Any:
    """A field of a spec by its dotted path; None where there is none."""
    found: Any = spec
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def group_lines(lines: Sequence[BatchLine], swept: Sequence[str]) -> list[dict[str, Any]]:
    """Lines that differ in nothing but the seed, together: means with 95 % intervals."""
    fields = [path for path in swept if path != SEED]
    groups: dict[str, list[BatchLine]] = {}
    for line in lines:
        groups.setdefault(repr([read_field(line.spec, path) for path in fields]), []).append(line)
    return [_group(members, fields) for members in groups.values()]


def _group(members: Sequence[BatchLine], fields: Sequence[str]) -> dict[str, Any]:
    done = [line.metrics() for line in members if line.status is JobStatus.SUCCEEDED]
    summaries: dict[str, Any] = {}
    for name in METRICS:
        values = [value for metrics in done if (value := metrics[name]) is not None]
        summaries[name] = summarise(values) if values else None
    return {
        "spec": {path: read_field(members[0].spec, path) for path in fields},
        "jobs": len(members),
        "succeeded": len(done),
        "metrics": summaries,
    }


def _with(spec: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    name, *rest = path
    if not rest:
        return {**spec, name: value}
    inner = spec.get(name, {})
    if not isinstance(inner, Mapping):
        # The value is what is wrong with a document, whatever its type is.
        place = ".".join(path)
        raise ValueError(f"{name} is no object in the base, so {place} has no place")  # noqa: TRY004
    return {**spec, name: _with(inner, rest, value)}
