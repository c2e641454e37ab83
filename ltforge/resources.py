"""The service's resources as plain frozen records, named and shaped as in openapi.yaml.

A record is what the service said at one moment. Those of things that one can act on (jobs,
tickets, uploads, batches) come to you as subclasses with methods: see ``client``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from ltforge.notebook import Shown

TERMINAL_UPLOADS = frozenset({"ready", "rejected"})


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why something failed: a stable code and a sentence that says what to do."""

    code: str = "UNKNOWN"
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field, named by its JSON pointer in the body or by its query parameter's name."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a running job is: ``done`` of ``total`` parts of ``stage``."""

    stage: str | None = None
    done: int = 0
    total: int = 0
    fraction: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ShardCounts:
    """Built parts of a divided construction; ``total`` is a guess until all are planned."""

    done: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Shard(Shown):
    """One part of a divided construction: rows of one layer, or the merge of what was built."""

    table_columns: ClassVar[tuple[str, ...]] = ("index", "kind", "status", "layer", "worker")

    index: int
    kind: str
    status: str
    layer: int | None = None
    first_row: int | None = None
    last_row: int | None = None
    attempt: int = 0
    worker: str | None = None
    report: dict[str, Any] | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ShardPage:
    """Some of a job's shards, in order; ask again with ``after=next_after`` unless that is None."""

    data: tuple[Shard, ...]
    next_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """One tensor of a checkpoint; ``dtype`` as safetensors spells it."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class CheckpointTensors:
    """The tensors of a checkpoint, in order."""

    data: tuple[Tensor, ...]


@dataclass(frozen=True, kw_only=True)
class UploadRecord(Shown):
    """A file the service holds. ``status``: validating, then ready or rejected."""

    table_columns: ClassVar[tuple[str, ...]] = ("id", "name", "status", "bytes", "created_at")

    id: str
    name: str = ""
    status: str
    sha256: str
    bytes: int
    summary: dict[str, Any] | None = None
    rejection: Problem | None = None
    created_at: datetime | None = None

    @property
    def terminal(self) -> bool:
        """Whether the service has read the file and decided. States not known here are not."""
        return self.status in TERMINAL_UPLOADS


@dataclass(frozen=True, kw_only=True)
class ResumableUpload(Shown):
    """A file that arrives in pieces. ``resource_id``: what it became, once it is finalized."""

    id: str
    kind: str
    name: str
    length: int
    offset: int
    resource_id: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class UploadRules(Shown):
    """What the service's upload protocol offers. ``largest_bytes``: of a file that is taken."""

    versions: tuple[str, ...]
    extensions: tuple[str, ...]
    checksums: tuple[str, ...]
    largest_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class JobRecord(Shown):
    """One job, as the service saw it when this record was fetched.

    ``kind`` is construct, estimate, statistics, plan, export, verify or compare; only a
    construction ends with a ticket, and the result of every kind is in ``metrics``. Statistics
    have no checkpoint.
    """

    table_columns: ClassVar[tuple[str, ...]] = ("id", "kind", "status", "progress", "created_at")

    id: str
    kind: str
    status: str
    terminal: bool
    checkpoint_id: str | None = None
    dataset_id: str | None = None
    spec: dict[str, Any] = field(default_factory=dict)
    replicates: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    priority: int = 0
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    attempt: int = 0
    max_attempts: int = 1
    progress: Progress = Progress()
    shards: ShardCounts | None = None
    error: Problem | None = None
    waiting_for: Problem | None = None
    """Why no worker takes the queued job, where that is known."""
    cancel_reason: str | None = None
    retry_of: str | None = None
    parent_id: str | None = None
    batch_id: str | None = None
    ticket_id: str | None = None
    metrics: dict[str, Any] | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class TicketRecord(Shown):
    """A finished ticket's entry in the service; its file is another thing (``TicketFile``)."""

    table_columns: ClassVar[tuple[str, ...]] = (
        "id",
        "job_id",
        "checkpoint_id",
        "bytes",
        "created_at",
    )

    id: str
    job_id: str
    checkpoint_id: str
    digest: str
    """The ticket's own digest, which two equal constructions share."""
    sha256: str
    """Of the ticket file."""
    bytes: int
    metrics: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class FileHead(Shown):
    """What a download would bring."""

    bytes: int
    sha256: str | None
    media_type: str | None
    being_made_by: str | None = None
    """The id of the job that makes the file, where it is not there yet."""


@dataclass(frozen=True, kw_only=True)
class MaskPiece(Shown):
    """Some rows of one source layer: for each row its kept columns, and whether its bias is kept.

    ``next_row`` says where to go on, if the piece does not hold all that was asked for.
    """

    layer: int
    width: int
    inputs: int
    first_row: int
    end_row: int
    next_row: int | None
    columns: tuple[Any, ...]
    biases: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Event(Shown):
    """Something that happened to a job. Progress has no ``seq``: it is no event that is kept."""

    type: str
    seq: int | None = None
    data: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class EventPage:
    """Some of a job's events, oldest first; ask again with ``after=next_after``."""

    data: tuple[Event, ...]
    next_after: int
    has_more: bool
    terminal: bool


@dataclass(frozen=True, kw_only=True)
class BatchRecord(Shown):
    """Many jobs that one request swept over. ``counts`` says how many are in which state."""

    table_columns: ClassVar[tuple[str, ...]] = (
        "id",
        "name",
        "total",
        "counts",
        "terminal",
        "created_at",
    )

    id: str
    name: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    total: int
    counts: dict[str, int]
    terminal: bool
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class BatchDryRun(Shown):
    """How many jobs a batch would be, from how many combinations of the swept values."""

    jobs: int
    combinations: int


@dataclass(frozen=True, kw_only=True)
class ResultRow(Shown):
    """One job of a batch: its swept values and its numbers."""

    table_columns: ClassVar[tuple[str, ...]] = ("job_id", "status", "seed", "spec", "metrics")

    job_id: str
    status: str
    seed: int
    spec: dict[str, Any]
    metrics: dict[str, Any]
    ticket_id: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class ResultGroup(Shown):
    """One combination of swept values: means and 95 % intervals over its seeds."""

    table_columns: ClassVar[tuple[str, ...]] = ("spec", "jobs", "succeeded", "metrics")

    spec: dict[str, Any]
    jobs: int
    succeeded: int
    metrics: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BatchResults:
    """The results of a batch, as far as they are there."""

    batch_id: str
    terminal: bool
    rows: tuple[ResultRow, ...]
    groups: tuple[ResultGroup, ...]
