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
    CERTIFY = "certify"
    """Bounds a part of the error of the ticket that was built."""
    CHECK = "check"
    """Verifies, evaluates or searches a part of it: nothing waits for that but the conclusion."""
    MERGE = "merge"
    """Once all shards before it but checks are done: plans the next ones."""
    CONCLUDE = "conclude"
    """Once all shards before it are done: ends the job, or plans what is still to be checked."""


MERGES = (ShardKind.MERGE, ShardKind.CONCLUDE)
"""Kinds that wait for others, and make nothing of their own."""


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
        shards: each one's kind and document.
        expected: about how many more will follow.
        concludes: whether a conclusion follows them, and not a merge.
        left: what the merge that planned them left for those after it, if it left anything.
    """

    shards: tuple[tuple[ShardKind, dict[str, Any]], ...]
    expected: int
    concludes: bool = False
    left: FinishedShard | None = None


@dataclass(frozen=True, slots=True)
class ShardTask:
    """A claimed shard: what to do, and for how long its job has run.

    Attributes:
        id: of the shard.
        index: its number within the job.
        kind: what to do.
        attempt: how many times it was started.
        document: of a shard that makes something of its own, else None.
        finished: what a merge or a conclusion is about, or what merges left for other shards.
        job_seconds: since the job started.
    """

    id: str
    index: int
    kind: ShardKind
    attempt: int
    document: dict[str, Any] | None
    finished: tuple[FinishedShard, ...]
    job_seconds: float
