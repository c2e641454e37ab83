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
