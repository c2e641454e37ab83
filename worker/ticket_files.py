"""Tickets as files: out of the database for a job that works on them, and exports into blobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.domain import Job, JobKind
from service.errors import NotFound
from service.store import Store
from service.store.blobs import BlobStore
from worker.protocol import Failed

_COPY_BYTES = 1 << 20
_NAMES = ("ticket_id", "other_ticket_id")


def fetch_tickets(job: Job, folder: Path, store: Store) -> list[Path] | Failed:
    """Write the tickets that the job's spec names into the folder."""
    ids = [job.spec[name] for name in _NAMES if name in job.spec]
    files = []
    for number, ticket_id in enumerate(ids):
        files.append(folder / f"{number}.safetensors")
        try:
            fetch_ticket(job.tenant_id, ticket_id, files[-1], store)
        except NotFound:
            detail = f"The ticket {ticket_id!r} was deleted before the job could work on it."
            return Failed(job.id, "TICKET_DELETED", detail)
    return files


def add_reports(job: Job, store: Store) -> dict[str, Any]:
    """The job's spec; for a comparison with the tickets' reports, as their files hold none."""
    if job.kind is not JobKind.COMPARE:
        return job.spec
    with store.read() as tx:
        tickets = [tx.tickets.get(job.tenant_id, job.spec[name]) for name in _NAMES]
    return {**job.spec, "reports": [ticket.report for ticket in tickets]}


def keep_blob(file: Path, blobs: BlobStore) -> tuple[str, int]:
    """Store a file as a blob; its digest, counted here, and its size."""
    staged = blobs.stage()
    try:
        with file.open("rb") as source:
            while data := source.read(_COPY_BYTES):
                staged.write(data)
        return staged.commit()
    finally:
        staged.discard()


def fetch_ticket(tenant_id: str, ticket_id: str, destination: Path, store: Store) -> None:
    """Write a ticket's file; raises NotFound."""
    with store.read() as tx:
        tx.tickets.get(tenant_id, ticket_id)
        count = len(tx.tickets.chunk_lengths(ticket_id))
    with destination.open("wb") as file:
        for index in range(count):
            with store.read() as tx:
                data = tx.tickets.read_chunk(ticket_id, index)
            file.write(data)
