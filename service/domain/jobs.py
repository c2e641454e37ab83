"""Jobs: what they do, their states, which of them may follow which, and their progress."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any

from service.domain.problems import Problem
from service.domain.shards import ShardCounts, ShardTask


class JobKind(StrEnum):
    """What a job does."""

    CONSTRUCT = "construct"
    """Constructs a ticket."""
    ESTIMATE = "estimate"
    """Estimates tickets from a sample of their problems; its result is its report."""
    STATISTICS = "statistics"
    """Solves random problems and counts failures; needs no checkpoint."""
    PLAN = "plan"
    """Foretells a construction without making it: short, and somebody waits for it."""
    EXPORT = "export"
    """Writes a ticket in a format that needs none of our code."""
    VERIFY = "verify"
    """Checks a ticket against its checkpoint; the verdict is its report."""
    COMPARE = "compare"
    """Puts two tickets beside each other."""


class JobDevice(StrEnum):
    """What a job wants to run on; a place in a worker is of one of the latter two."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class JobStatus(StrEnum):
    """States of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """Whether the state is final."""
        return not _FOLLOWERS[self]


# A job being canceled may still succeed or fail: whoever commits first wins.
_FOLLOWERS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset(
        {JobStatus.RUNNING, JobStatus.CANCELED, JobStatus.EXPIRED, JobStatus.FAILED}
    ),
    JobStatus.RUNNING: frozenset(
        {JobStatus.QUEUED, JobStatus.CANCELING, JobStatus.SUCCEEDED, JobStatus.FAILED}
    ),
    JobStatus.CANCELING: frozenset({JobStatus.CANCELED, JobStatus.SUCCEEDED, JobStatus.FAILED}),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELED: frozenset(),
    JobStatus.EXPIRED: frozenset(),
}


def statuses_before(status: JobStatus) -> frozenset[JobStatus]:
    """The states from which `status` may be entered. Never contains a terminal one."""
    return frozenset(earlier for earlier, later in _FOLLOWERS.items() if status in later)


# Where each stage begins on the way from 0 to 1, and where it ends; shares seen on LeNet tickets.
_STAGES: dict[str, tuple[float, float]] = {
    "queued": (0.0, 0.0),
    "load": (0.0, 0.05),
    "construct": (0.05, 0.7),
    "verify": (0.7, 0.9),
    "evaluate": (0.9, 1.0),
    # Of a divided construction: built by any number of workers, then put together by one.
    "shards": (0.05, 0.65),
    "merge": (0.65, 0.7),
    # One step for each job that a construction of several replicates stands for.
    "replicates": (0.0, 1.0),
    # Then accuracies are measured, where there is a data set.
    "estimate": (0.0, 0.95),
    "done": (1.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: `done` of `total` steps of its stage, `fraction` of the whole job."""

    stage: str
    done: int
    total: int
    fraction: float

    @classmethod
    def at(cls, stage: str, done: int, total: int) -> Progress:
        """The progress of a stage, placed within the whole job."""
        begin, end = _STAGES.get(stage, (0.0, 1.0))
        share = min(1.0, done / total) if total > 0 else 0.0
        return cls(stage, done, total, round(begin + (end - begin) * share, 4))


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work that a tenant asked for; its row is the truth about it.

    `spec` says what to do: a Specification or, for statistics, a StatisticsQuestion. Statistics
    alone have no checkpoint, constructions alone a ticket. A construction of several replicates has
    no ticket of its own: it stands for jobs, one for each source, whose `parent_id` names it.
    `waiting_for` says of a queued job why no worker takes it, where that is known.
    """

    id: str
    tenant_id: str
    kind: JobKind
    checkpoint_id: str | None
    dataset_id: str | None
    spec: dict[str, Any]
    replicates: int | None
    status: JobStatus
    attempt: int
    max_attempts: int
    priority: int
    timeout_s: float | None
    queue_timeout_s: float | None
    progress: Progress
    waiting_for: Problem | None
    shards: ShardCounts | None
    error: Problem | None
    cancel_reason: str | None
    ticket_id: str | None
    report: dict[str, Any] | None
    labels: dict[str, str]
    retry_of: str | None
    parent_id: str | None
    batch_id: str | None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobMark:
    """What changes about a job, in short; `last_event` is the number of its newest event."""

    status: JobStatus
    stage: str
    done: int
    total: int
    last_event: int

    @property
    def progress(self) -> tuple[str, int, int]:
        """Stage, finished and all steps of it."""
        return self.stage, self.done, self.total


@dataclass(frozen=True, slots=True)
class ClaimedJob:
    """A job, or one shard of it, and the right to run that; the digests name canonical blobs.

    `request_id` and `traceparent` (W3C) are those of the request that submitted the job.
    """

    job: Job
    lease_token: str
    checkpoint_sha256: str | None
    dataset_sha256: str | None
    request_id: str | None = None
    traceparent: str | None = None
    shard: ShardTask | None = None

    @property
    def lease_id(self) -> str:
        """What the lease is of: the shard or the job."""
        return self.job.id if self.shard is None else self.shard.id


class LeaseState(Enum):
    """What a worker learns about its lease."""

    HELD = "held"
    CANCEL_REQUESTED = "cancel_requested"
    LOST = "lost"
