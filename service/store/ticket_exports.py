"""Tickets in other formats: which are wanted, and which are made."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from service.domain import TicketExport
from service.store.scope import Scope
from service.store.tables import TicketExportRow


class TicketExportRepository:
    """One row per ticket and format."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def find(self, ticket_id: str, form: str) -> TicketExport | None:
        """The export, made or not; None if nobody asked for it."""
        row = self._scope.session.get(TicketExportRow, (ticket_id, form), populate_existing=True)
        return None if row is None else _record(row)

    def want(self, ticket_id: str, form: str, job_id: str) -> bool:
        """Note that a job is to make it; False where another one is."""
        row = TicketExportRow(
            ticket_id=ticket_id, format=form, job_id=job_id, created_at=self._scope.now()
        )
        try:
            with self._scope.session.begin_nested():
                self._scope.session.add(row)
        except IntegrityError:
            return False
        return True

    def want_again(self, export: TicketExport, job_id: str) -> bool:
        """Note that another job is to make it, if nobody else noted so; its file is forgotten."""
        same = self._of(export.ticket_id, export.format).where(
            TicketExportRow.job_id == export.job_id
        )
        return self._scope.change(same.values(job_id=job_id, sha256=None, bytes=None)) == 1

    def finish(self, ticket_id: str, form: str, sha256: str, size: int) -> None:
        """Note the blob that was made; of a ticket that was deleted meanwhile nothing is kept."""
        self._scope.change(self._of(ticket_id, form).values(sha256=sha256, bytes=size))

    def referenced(self, digests: Collection[str]) -> set[str]:
        """Which of these blobs some export is."""
        query = select(TicketExportRow.sha256).where(TicketExportRow.sha256.in_(digests))
        return {digest for digest in self._scope.session.scalars(query) if digest is not None}

    @staticmethod
    def _of(ticket_id: str, form: str):  # type: ignore[no-untyped-def]
        return update(TicketExportRow).where(
            TicketExportRow.ticket_id == ticket_id, TicketExportRow.format == form
        )


def _record(row: TicketExportRow) -> TicketExport:
    return TicketExport(row.ticket_id, row.format, row.job_id, row.sha256, row.bytes)
