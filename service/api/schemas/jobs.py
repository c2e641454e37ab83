"""Jobs on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.api.schemas.problems import Reason
from service.api.schemas.wire import Wire
from service.domain import Job, JobKind, JobStatus, Progress, Shard, ShardKind, ShardStatus


class ProgressResource(Wire):
    """How far a job is."""

    stage: str = Field(
        description="queued, then load, construct, verify and evaluate (kind construct) or the "
        "kind itself (estimate, statistics, plan), then done; a large construction is divided into "
        "shards and then in the stages shards and merge; a construction of several "
        "replicates is in the stage replicates, of which each is a job of its own"
    )
    done: int = Field(description="finished steps of the stage")
    total: int = Field(description="all steps of the stage; 0 while not known")
    fraction: float = Field(description="of the whole job, from 0 to 1")

    @classmethod
    def of(cls, progress: Progress) -> ProgressResource:
        """The wire form of a progress."""
        return cls(
            stage=progress.stage,
            done=progress.done,
            total=progress.total,
            fraction=progress.fraction,
        )


class ShardCountsResource(Wire):
    """How many parts of a divided construction are done."""

    done: int
    total: int = Field(description="a guess until all shards are planned")


class ShardResource(Wire):
    """One part of a divided construction: rows of a layer, a part of the checks, or a merge."""

    index: int
    kind: ShardKind = Field(
        description="build: rows of a layer; certify: a part of the certificate; check: a part of "
        "the verification, the evaluation or the search (`report.task` says which); merge: makes "
        "the ticket, plans the next shards; conclude: ends the job"
    )
    status: ShardStatus
    layer: int | None = Field(description="of the source network, from 1; null for a merge")
    first_row: int | None = Field(description="of the layer; null but for rows to build")
    last_row: int | None = Field(description="the row behind the last one; likewise")
    attempt: int = Field(description="how many times the shard was started")
    worker: str | None = Field(description="who took it last")
    report: dict[str, Any] | None = Field(
        description="what was done (`task`) in how many `seconds`; of rows that were built also "
        "`rows`, `problems`, `unsolved`, `cells`, `device`"
    )
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, shard: Shard) -> ShardResource:
        """The wire form of a shard."""
        return cls(
            index=shard.index,
            kind=shard.kind,
            status=shard.status,
            layer=shard.layer,
            first_row=shard.first_row,
            last_row=shard.last_row,
            attempt=shard.attempt,
            worker=shard.worker,
            report=shard.report,
            started_at=shard.started_at,
            finished_at=shard.finished_at,
        )


class ShardPage(Wire):
    """Some of a job's shards, in order."""

    data: list[ShardResource]
    next_after: int | None = Field(description="`after` of the next page; null on the last one")


class JobLinks(Wire):
    """Where a job and its results are; null where there is nothing (yet)."""

    self: str
    cancel: str | None = Field(description="null once the job is terminal")
    retry: str | None = Field(description="null until the job is terminal")
    events: str
    logs: str
    shards: str | None = Field(description="null unless the job is divided")
    ticket: str | None
    mask: str | None
    metrics: str | None

    @classmethod
    def of(cls, job: Job) -> JobLinks:
        """The links of a job."""
        own = f"/v1/jobs/{job.id}"
        ticket = f"/v1/tickets/{job.ticket_id}" if job.ticket_id else None
        return cls(
            self=own,
            cancel=None if job.status.terminal else f"{own}/cancel",
            retry=f"{own}/retry" if job.status.terminal else None,
            events=f"{own}/events",
            logs=f"{own}/logs",
            shards=None if job.shards is None else f"{own}/shards",
            ticket=ticket,
            mask=f"{ticket}/mask" if ticket else None,
            metrics=f"{ticket}/metrics" if ticket else None,
        )


class JobResource(Wire):
    """A job: what was asked for, how far it is, and how it ended."""

    id: str
    kind: JobKind
    status: JobStatus
    terminal: bool = Field(
        description="true once the status can no longer change: the only thing to wait for"
    )
    checkpoint_id: str | None = Field(description="null for statistics, which need none")
    dataset_id: str | None
    spec: dict[str, Any] = Field(
        description="the Specification (statistics: the StatisticsQuestion) as accepted, every "
        "default filled in"
    )
    replicates: int | None = Field(
        description="sources of an estimate, or of a construction of several tickets; else null"
    )
    labels: dict[str, str]
    priority: int
    timeout_s: float | None
    queue_timeout_s: float | None
    attempt: int = Field(description="how many times the job was started")
    max_attempts: int
    progress: ProgressResource
    shards: ShardCountsResource | None = Field(
        description="of a construction so large that it is divided; else null"
    )
    waiting_for: Reason | None = Field(
        description="why no worker takes the queued job; null where none is known"
    )
    error: Reason | None = Field(description="why the job failed or expired; null unless it did")
    cancel_reason: str | None = Field(description="as given by who canceled the job")
    retry_of: str | None = Field(description="the job that this one repeats")
    parent_id: str | None = Field(
        description="the construction of several replicates that this job is one of"
    )
    batch_id: str | None = Field(description="the batch that this job belongs to")
    ticket_id: str | None = Field(
        description="the ticket, once a construction succeeded; null for other kinds"
    )
    metrics: dict[str, Any] | None = Field(
        description="the report, once the job succeeded; of a plan, the plan; of several "
        "replicates, the mean and the 95 % interval (Student's t) of each number, and the tickets"
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: JobLinks

    @classmethod
    def of(cls, job: Job) -> JobResource:
        """The wire form of a job."""
        return cls(
            id=job.id,
            kind=job.kind,
            status=job.status,
            terminal=job.status.terminal,
            checkpoint_id=job.checkpoint_id,
            dataset_id=job.dataset_id,
            spec=job.spec,
            replicates=job.replicates,
            labels=job.labels,
            priority=job.priority,
            timeout_s=job.timeout_s,
            queue_timeout_s=job.queue_timeout_s,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            progress=ProgressResource.of(job.progress),
            shards=None
            if job.shards is None
            else ShardCountsResource(done=job.shards.done, total=job.shards.total),
            waiting_for=Reason.of(job.waiting_for) if job.waiting_for else None,
            error=Reason.of(job.error) if job.error else None,
            cancel_reason=job.cancel_reason,
            retry_of=job.retry_of,
            parent_id=job.parent_id,
            batch_id=job.batch_id,
            ticket_id=job.ticket_id,
            metrics=job.report,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            links=JobLinks.of(job),
        )
