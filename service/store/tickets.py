"""Tickets and the bytes of their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, select, update

from service.domain import Ticket, TicketFilter
from service.errors import NotFound
from service.identifiers import new_id
from service.store.binary import read_bytes
from service.store.scope import Scope
from service.store.tables import JobRow, TicketChunkRow, TicketExportRow, TicketRow

CHUNK_BYTES = 4 << 20


class TicketRepository:
    """Stores tickets in chunks, as neither SQLite nor PostgreSQL likes one huge value."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add(
        self,
        tenant_id: str,
        job_id: str,
        checkpoint_id: str,
        digest: str,
        report: dict[str, Any],
        chunks: Iterable[bytes],
    ) -> Ticket:
        """Store a ticket; its size and SHA-256 are counted from the chunks themselves."""
        row = TicketRow(
            id=new_id("tkt"),
            tenant_id=tenant_id,
            job_id=job_id,
            checkpoint_id=checkpoint_id,
            digest=digest,
            sha256="",
            bytes=0,
            report=report,
            created_at=self._scope.now(),
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        row.sha256, row.bytes = self._write(row.id, chunks)
        self._scope.session.flush()
        self._scope.emit(tenant_id, row.id, "ticket.created", {"job_id": job_id})
        return _record(row)

    def get(self, tenant_id: str, ticket_id: str) -> Ticket:
        """One ticket of the tenant; raises NotFound."""
        row = self._scope.session.get(TicketRow, ticket_id)
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("ticket", ticket_id)
        return _record(row)

    def hold(self, tenant_id: str, ticket_id: str) -> None:
        """Keep a ticket from being deleted before this transaction ends; raises NotFound."""
        self._locked(tenant_id, ticket_id, key_share=True)

    def list(
        self,
        tenant_id: str,
        limit: int,
        after: str | None = None,
        wanted: TicketFilter = TicketFilter(),  # noqa: B008 - frozen
    ) -> list[Ticket]:
        """Tickets of the tenant, newest first, starting below the id `after`."""
        query = select(TicketRow).where(TicketRow.tenant_id == tenant_id)
        if after is not None:
            query = query.where(TicketRow.id < after)
        if wanted.job_id is not None:
            query = query.where(TicketRow.job_id == wanted.job_id)
        if wanted.checkpoint_id is not None:
            query = query.where(TicketRow.checkpoint_id == wanted.checkpoint_id)
        if wanted.construction is not None:
            named = TicketRow.report["specification"]["construction"].as_string()
            query = query.where(named == wanted.construction)
        if wanted.labels:
            query = query.join(JobRow, JobRow.id == TicketRow.job_id)
        for name, label in wanted.labels:
            query = query.where(JobRow.labels[name].as_string() == label)
        query = query.order_by(TicketRow.id.desc()).limit(limit)
        return [_record(row) for row in self._scope.session.scalars(query)]

    def delete(self, tenant_id: str, ticket_id: str) -> None:
        """Delete the ticket with its file and exports; its job forgets it. Raises NotFound."""
        self._locked(tenant_id, ticket_id, key_share=False)
        self._scope.change(delete(TicketChunkRow).where(TicketChunkRow.ticket_id == ticket_id))
        self._scope.change(delete(TicketExportRow).where(TicketExportRow.ticket_id == ticket_id))
        self._scope.change(delete(TicketRow).where(TicketRow.id == ticket_id))
        made = update(JobRow).where(JobRow.ticket_id == ticket_id)
        self._scope.change(made.values(ticket_id=None))
        self._scope.emit(tenant_id, ticket_id, "ticket.deleted", {})

    def chunk_lengths(self, ticket_id: str) -> tuple[int, ...]:
        """Bytes of each chunk of the file, in order."""
        query = (
            select(func.length(TicketChunkRow.data))
            .where(TicketChunkRow.ticket_id == ticket_id)
            .order_by(TicketChunkRow.index)
        )
        return tuple(self._scope.session.scalars(query))

    def read_chunk(self, ticket_id: str, index: int) -> bytes:
        """One chunk of the file; raises NotFound."""
        query = select(TicketChunkRow.data).where(
            TicketChunkRow.ticket_id == ticket_id, TicketChunkRow.index == index
        )
        data = read_bytes(self._scope.session, query)
        if data is None:
            raise NotFound("ticket chunk", f"{ticket_id}/{index}")
        return data

    def _locked(self, tenant_id: str, ticket_id: str, *, key_share: bool) -> None:
        own = (TicketRow.id == ticket_id, TicketRow.tenant_id == tenant_id)
        locked = (
            select(TicketRow.id).where(*own).with_for_update(read=key_share, key_share=key_share)
        )
        if self._scope.session.scalar(locked) is None:
            raise NotFound("ticket", ticket_id)

    def _write(self, ticket_id: str, chunks: Iterable[bytes]) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        for index, data in enumerate(chunks):
            row = TicketChunkRow(ticket_id=ticket_id, index=index, data=data)
            self._scope.session.add(row)
            self._scope.session.flush()
            # Otherwise the session would hold the whole file in memory.
            self._scope.session.expunge(row)
            digest.update(data)
            size += len(data)
        return digest.hexdigest(), size


def _record(row: TicketRow) -> Ticket:
    return Ticket(
        id=row.id,
        tenant_id=row.tenant_id,
        job_id=row.job_id,
        checkpoint_id=row.checkpoint_id,
        digest=row.digest,
        sha256=row.sha256,
        bytes=row.bytes,
        report=row.report,
        created_at=row.created_at,
    )
