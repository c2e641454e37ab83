"""The service's resources as plain frozen records.

Each is read from the JSON the service sends. Fields this version does not know are ignored, so
that a newer service can add some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Document = Mapping[str, Any]
"""A JSON object as the service sent it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something failed: a stable code and a sentence that says what to do."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field, named by its JSON pointer in the body or by its query parameter's name."""

    pointer: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running job is: ``done`` of ``total`` parts of ``stage``."""

    stage: str | None
    done: int
    total: int
    fraction: float


@dataclass(frozen=True, slots=True)
class Ticket:
    """A finished ticket. The file itself comes from ``Client.download_mask``."""

    id: str
    job_id: str
    checkpoint_id: str
    digest: str
    """The ticket's own digest, which two equal constructions share."""
    sha256: str
    """Of the ticket file."""
    bytes: int
    created_at: datetime | None


def read_time(text: str | None) -> datetime | None:
    """An RFC 3339 time, or None where the service has none yet."""
    return datetime.fromisoformat(text) if text else None


def read_problem(document: Document | None) -> Problem | None:
    """The reason a resource carries, or None where nothing went wrong."""
    if document is None:
        return None
    return Problem(str(document.get("code", "UNKNOWN")), str(document.get("detail", "")))


def read_pointers(items: object) -> tuple[FieldProblem, ...]:
    """The ``errors`` list of a problem document; entries that are no objects are skipped."""
    entries = items if isinstance(items, list) else []
    return tuple(
        FieldProblem(
            pointer=str(entry.get("pointer") or entry.get("parameter") or ""),
            code=str(entry.get("code", "")),
            detail=str(entry.get("detail", "")),
        )
        for entry in entries
        if isinstance(entry, dict)
    )


def read_progress(document: Document | None) -> Progress:
    """A job's progress; all zero before its first report."""
    given = document or {}
    return Progress(
        stage=given.get("stage"),
        done=int(given.get("done") or 0),
        total=int(given.get("total") or 0),
        fraction=float(given.get("fraction") or 0.0),
    )


def read_ticket(document: Document) -> Ticket:
    """A ticket from the service's JSON."""
    return Ticket(
        id=document["id"],
        job_id=document["job_id"],
        checkpoint_id=document["checkpoint_id"],
        digest=document["digest"],
        sha256=document["sha256"],
        bytes=int(document["bytes"]),
        created_at=read_time(document.get("created_at")),
    )
