"""A batch's table as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from service.api.schemas.batches import BatchResults
from service.domain import METRICS


def rows_as_csv(results: BatchResults, swept: Sequence[str]) -> str:
    """One line for each job."""
    head = ["job_id", "status", "seed", *swept, *METRICS, "ticket_id", "error_code"]
    return _write(
        head,
        (
            [
                row.job_id,
                row.status,
                row.seed,
                *row.spec.values(),
                *row.metrics.values(),
                row.ticket_id,
                row.error_code,
            ]
            for row in results.rows
        ),
    )


def groups_as_csv(results: BatchResults, swept: Sequence[str]) -> str:
    """One line for each combination: every metric with the ends of its interval."""
    fields = [path for path in swept if not results.groups or path in results.groups[0].spec]
    columns = [f"{name}{end}" for name in METRICS for end in ("", "_low", "_high")]
    return _write(
        [*fields, "jobs", "succeeded", *columns],
        (
            [
                *group.spec.values(),
                group.jobs,
                group.succeeded,
                *(cell for name in METRICS for cell in _summary_cells(group.metrics[name])),
            ]
            for group in results.groups
        ),
    )


def _summary_cells(summary: Any) -> list[float | None]:
    if summary is None:
        return [None, None, None]
    return [summary.mean, *(summary.interval or [None, None])]


def _write(head: Sequence[str], lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    for line in lines:
        writer.writerow(
            json.dumps(cell) if isinstance(cell, dict | list) else cell for cell in line
        )
    return text.getvalue()
