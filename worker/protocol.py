"""What a worker and its runner say to each other: one JSON object per line.

To the runner: `run`, `cancel`. From it: `ready` once, then per job any number of `progress` and
`logged` and exactly one of `succeeded`, `divided`, `failed`, `canceled`. The end of its standard
input ends the runner.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Run:
    """Do a job of some kind. Paths are absolute.

    `tickets` are files to work on; `ticket` is where a construction leaves its ticket, an export
    its file, or a shard what it made, in a folder that exists. A construction is divided as
    `division` says; `shard` is the one to do; `pieces` are those to merge, or files that merges
    left: each a document, a file, and the seconds that it took.
    `origin` marks what the runner logs: ids of the tenant and of the request, the attempt; and,
    where there is a trace, the `traceparent` of the spans.
    """

    job: str
    kind: str
    checkpoint: str | None
    dataset: str | None
    specification: dict[str, Any]
    replicates: int | None
    tickets: list[str]
    ticket: str
    origin: dict[str, str] = field(default_factory=dict)
    division: dict[str, int] | None = None
    shard: dict[str, Any] | None = None
    pieces: list[dict[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop this job if it is the one being worked on."""

    job: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The engine is loaded."""

    process: int


@dataclass(frozen=True, slots=True)
class ProgressMade:
    """`done` of `total` steps of a stage."""

    job: str
    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Logged:
    """A line for the job's log."""

    job: str
    line: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The report, and a construction's ticket file, are complete."""

    job: str
    report: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Divided:
    """The job goes on as these shards, and about `expected` more that follow from them.

    They, and later ones, need the file that was left where the job's was to be: `left` is its
    document, None where there is none. It took so many `seconds`. What follows them `concludes` the
    job, or merges.
    """

    job: str
    shards: list[dict[str, Any]]
    expected: int
    left: dict[str, Any] | None = None
    concludes: bool = False
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no report, for this reason."""

    job: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Canceled:
    """The job was stopped as asked."""

    job: str


Message = Run | Cancel | Ready | ProgressMade | Logged | Succeeded | Divided | Failed | Canceled

_NAMES: dict[str, type[Message]] = {
    "run": Run,
    "cancel": Cancel,
    "ready": Ready,
    "progress": ProgressMade,
    "logged": Logged,
    "succeeded": Succeeded,
    "divided": Divided,
    "failed": Failed,
    "canceled": Canceled,
}
_NAME_OF = {kind: name for name, kind in _NAMES.items()}


class ProtocolError(ValueError):
    """A line that is no message."""


def encode(message: Message) -> bytes:
    """One line, with its end."""
    document = {"type": _NAME_OF[type(message)]} | asdict(message)
    return json.dumps(document, allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message in a line; raises ProtocolError."""
    try:
        document = json.loads(line)
        return _NAMES[document.pop("type")](**document)
    except (ValueError, TypeError, KeyError, AttributeError) as failure:
        raise ProtocolError(f"not a message: {line[:200]!r}") from failure
