"""The record of what happened."""

from __future__ import annotations

from sqlalchemy import select

from service.domain import Event
from service.store.scope import Scope
from service.store.tables import EventRow


class EventRepository:
    """Reads transitions; they are written only together with the transition itself."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def list(self, subject_id: str, after: int = 0, limit: int = 200) -> list[Event]:
        """Events of one subject with a number above `after`, oldest first."""
        query = (
            select(EventRow)
            .where(EventRow.subject_id == subject_id, EventRow.seq > after)
            .order_by(EventRow.seq)
            .limit(limit)
        )
        return [
            Event(row.subject_id, row.tenant_id, row.seq, row.type, row.data, row.created_at)
            for row in self._scope.session.scalars(query)
        ]
