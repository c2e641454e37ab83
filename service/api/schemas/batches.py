"""Batches on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from service.api.schemas.submissions import JobAsked, StrictModel
from service.api.schemas.text import Name
from service.api.schemas.wire import Wire
from service.domain import METRICS, SEED, Batch, BatchLine, JobStatus, group_lines, read_field

_MOST_VALUES = 1000
_MOST_FIELDS = 8

FieldPath = Annotated[
    str, StringConstraints(pattern=r"^[a-z_]+(\.[a-z_]+)*$", min_length=1, max_length=100)
]


class SweptRange(StrictModel):
    """`count` numbers: start, start + step, start + 2 step and so on."""

    start: int | float = Field(allow_inf_nan=False)
    count: int = Field(ge=1, le=_MOST_VALUES)
    step: int | float = Field(default=1, allow_inf_nan=False)

    def values(self) -> list[int | float]:
        """The numbers."""
        return [self.start + number * self.step for number in range(self.count)]


SweptValues = Annotated[list[Any], Field(min_length=1, max_length=_MOST_VALUES)] | SweptRange


class BatchSubmission(JobAsked):
    """Construct tickets for every combination of the swept fields' values."""

    name: Name = "batch"
    checkpoint_id: str = Field(description="an uploaded checkpoint; it may still be validating")
    dataset_id: str | None = Field(
        default=None, description="an uploaded data set on which accuracies are measured"
    )
    spec: dict[str, Any] = Field(
        description="the base Specification; replicates means that many seeds for each combination"
    )
    sweep: dict[FieldPath, SweptValues] = Field(
        max_length=_MOST_FIELDS,
        description='fields of the spec by dotted path, such as "tolerance.parameter", with the '
        "values that each takes: a list, or start, count and step",
    )
    dry_run: bool = Field(
        default=False, description="only check all specs and say how many jobs there would be"
    )

    def swept(self) -> dict[str, list[Any]]:
        """The values of each field."""
        return {
            path: values.values() if isinstance(values, SweptRange) else values
            for path, values in self.sweep.items()
        }


class BatchDryRun(Wire):
    """What a batch would be."""

    jobs: int = Field(description="how many jobs there would be, one for each combination and seed")
    combinations: int


class BatchLinks(Wire):
    """Where a batch and its parts are."""

    self: str
    jobs: str
    cancel: str | None = Field(description="null once all jobs have ended")
    results: str


class BatchResource(Wire):
    """A batch of jobs."""

    id: str
    name: str
    request: dict[str, Any] = Field(description="checkpoint, data set, base spec and sweep")
    total: int = Field(description="how many jobs were submitted")
    counts: dict[JobStatus, int] = Field(description="how many of them are in each status")
    terminal: bool = Field(description="whether all jobs have ended")
    created_at: datetime
    links: BatchLinks

    @classmethod
    def of(cls, batch: Batch) -> BatchResource:
        """The wire form of a batch."""
        own = f"/v1/batches/{batch.id}"
        return cls(
            id=batch.id,
            name=batch.name,
            request=batch.request,
            total=batch.total,
            counts=batch.counts,
            terminal=batch.terminal,
            created_at=batch.created_at,
            links=BatchLinks(
                self=own,
                jobs=f"/v1/jobs?batch_id={batch.id}",
                cancel=None if batch.terminal else f"{own}/cancel",
                results=f"{own}/results",
            ),
        )


class ResultRow(Wire):
    """One job of a batch."""

    job_id: str
    status: JobStatus
    seed: int
    spec: dict[str, Any] = Field(description="the swept fields, by dotted path")
    metrics: dict[str, int | float | None] = Field(
        description=f"{', '.join(METRICS)}; null if unknown"
    )
    ticket_id: str | None
    error_code: str | None

    @classmethod
    def of(cls, line: BatchLine, swept: list[str]) -> ResultRow:
        """The wire form of a line."""
        return cls(
            job_id=line.job_id,
            status=line.status,
            seed=read_field(line.spec, SEED),
            spec={path: read_field(line.spec, path) for path in swept},
            metrics=line.metrics(),
            ticket_id=line.ticket_id,
            error_code=line.error_code,
        )


class Summary(Wire):
    """A mean over seeds."""

    mean: float
    interval: list[float] | None = Field(
        description="the mean's 95 % interval (Student's t), lower and upper end; null for one job"
    )


class ResultGroup(Wire):
    """Jobs that differ in nothing but the seed."""

    spec: dict[str, Any]
    jobs: int
    succeeded: int
    metrics: dict[str, Summary | None] = Field(description="over the jobs that succeeded")


class BatchResults(Wire):
    """The table of a batch."""

    batch_id: str
    terminal: bool
    rows: list[ResultRow]
    groups: list[ResultGroup]

    @classmethod
    def of(cls, batch: Batch, lines: list[BatchLine]) -> BatchResults:
        """The wire form of a batch's table."""
        swept = list(batch.request["sweep"])
        return cls(
            batch_id=batch.id,
            terminal=batch.terminal,
            rows=[ResultRow.of(line, swept) for line in lines],
            groups=[ResultGroup.model_validate(group) for group in group_lines(lines, swept)],
        )
