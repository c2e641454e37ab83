"""Tickets as the service keeps them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Ticket:
    """A finished ticket; its file lies in the database in chunks.

    `digest` is the ticket's own digest as the engine defines it, `sha256` that of the file's bytes.
    """

    id: str
    tenant_id: str
    job_id: str
    checkpoint_id: str
    digest: str
    sha256: str
    bytes: int
    report: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """Which tickets to list; None: any. Labels are those of the tickets' jobs."""

    job_id: str | None = None
    checkpoint_id: str | None = None
    construction: str | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TicketExport:
    """A ticket in another format; the blob is None until the job has made it."""

    ticket_id: str
    format: str
    job_id: str
    sha256: str | None
    bytes: int | None
