"""Wake-ups that were committed and are still to be sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

from sqlalchemy import delete, select, update

from service.domain import OutboxMessage, WorkKind
from service.store.scope import Scope
from service.store.tables import OutboxRow


class OutboxRepository:
    """What the housekeeper relays to the broker."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def pending(self, limit: int) -> list[OutboxMessage]:
        """Messages due and not sent, oldest first."""
        query = (
            select(OutboxRow)
            .where(OutboxRow.sent_at.is_(None), OutboxRow.available_at <= self._scope.now())
            .order_by(OutboxRow.id)
            .limit(limit)
        )
        return [
            OutboxMessage(row.id, cast("WorkKind", row.kind), row.available_at)
            for row in self._scope.session.scalars(query)
        ]

    def mark_sent(self, ids: Sequence[str]) -> None:
        """Remember that these were sent. Sending one twice would be harmless."""
        self._scope.change(
            update(OutboxRow).where(OutboxRow.id.in_(ids)).values(sent_at=self._scope.now())
        )

    def forget_sent(self, older_than_seconds: float) -> int:
        """Delete messages sent long ago; how many."""
        limit = self._scope.now() - timedelta(seconds=older_than_seconds)
        return self._scope.change(delete(OutboxRow).where(OutboxRow.sent_at < limit))
