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
    MERGE = "merge"
    """Once all shards before it are done: plans the next ones, or makes the ticket of them all."""


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
class PlannedShards:
    """Documents of shards to build, as the engine planned them; about how many more will follow."""

    documents: tuple[dict[str, Any], ...]
    expected: int


@dataclass(frozen=True, slots=True)
class FinishedShard:
    """A shard's document and the blob that was built of it."""

    document: dict[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True)
class ShardTask:
    """A claimed shard: what to do, and for how long its job has run.

    Attributes:
        id: of the shard.
        index: its number within the job.
        kind: what to do.
        attempt: how many times it was started.
        document: of a shard to build, else None.
        finished: what a merge is to merge, else empty.
        job_seconds: since the job started.
    """

    id: str
    index: int
    kind: ShardKind
    attempt: int
    document: dict[str, Any] | None
    finished: tuple[FinishedShard, ...]
    job_seconds: float
