"""Shards: the parts of one large construction that any number of workers build."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class ShardKind(StrEnum):
    """What is to be done."""

    BUILD = "build"
    """Builds some rows of a layer."""
    CHECK = "check"
    """Verifies, bounds, evaluates or searches a part of the ticket that was built."""
    MERGE = "merge"
    """Once all shards before it are done: plans the next ones, or ends the job."""


class ShardStatus(StrEnum):
    """States of a shard."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """How many shards of a divided job are built, of how many; a guess until all are planned."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a job. `report` holds what its builder counted."""

    index: int
    kind: ShardKind
    status: ShardStatus
    layer: int | None
    first_row: int | None
    last_row: int | None
    attempt: int
    worker: str | None
    report: dict[str, Any] | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class FinishedShard:
    """A document and the blob that was made of it; how many seconds that took."""

    document: dict[str, Any]
    sha256: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PlannedShards:
    """Shards as the engine planned them.

    Attributes:
        documents: of shards to build or to check.
        expected: about how many more will follow.
        kind: of them all.
        left: what the merge that planned them left for those after it, if it left anything.
    """

    documents: tuple[dict[str, Any], ...]
    expected: int
    kind: ShardKind = ShardKind.BUILD
    left: FinishedShard | None = None


@dataclass(frozen=True, slots=True)
class ShardTask:
    """A claimed shard: what to do, and for how long its job has run.

    Attributes:
        id: of the shard.
        index: its number within the job.
        kind: what to do.
        attempt: how many times it was started.
        document: of a shard to build or to check, else None.
        finished: what a merge is to merge, or what merges left for a shard that checks.
        job_seconds: since the job started.
    """

    id: str
    index: int
    kind: ShardKind
    attempt: int
    document: dict[str, Any] | None
    finished: tuple[FinishedShard, ...]
    job_seconds: float
