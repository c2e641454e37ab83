"""What all repositories of one transaction share: its session, its time, its announcements."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, DateTime, Executable, func, select, text
from sqlalchemy.orm import Session

from service.domain import WorkKind
from service.identifiers import new_id
from service.store.tables import EventRow, OutboxRow


class Scope:
    """One transaction as seen from inside the store."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._now: datetime | None = None

    def now(self) -> datetime:
        """The database's time, asked once per transaction: workers' clocks decide nothing."""
        if self._now is None:
            self._now = self._ask_time()
        return self._now

    def after(self, seconds: float) -> datetime:
        """The database's time plus some seconds."""
        return self.now() + timedelta(seconds=seconds)

    def change(self, statement: Executable) -> int:
        """Run an UPDATE or DELETE; how many rows it met."""
        result = self.session.execute(statement, execution_options={"synchronize_session": False})
        return cast("CursorResult[Any]", result).rowcount

    def emit(self, tenant_id: str, subject_id: str, kind: str, data: dict[str, Any]) -> None:
        """Record a transition. The subject's row is locked by then, so numbers do not collide."""
        last = select(func.max(EventRow.seq)).where(EventRow.subject_id == subject_id)
        self.session.add(
            EventRow(
                subject_id=subject_id,
                tenant_id=tenant_id,
                seq=(self.session.scalar(last) or 0) + 1,
                type=kind,
                data=data,
                created_at=self.now(),
            )
        )
        self.session.flush()

    def announce(self, kind: WorkKind) -> None:
        """Leave a wake-up in the outbox, to be sent once this transaction is committed."""
        self.session.add(
            OutboxRow(id=new_id("out"), kind=kind, available_at=self.now(), sent_at=None)
        )
        self.session.flush()

    def _ask_time(self) -> datetime:
        if self.session.get_bind().dialect.name == "sqlite":
            sqlite_time = text("SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')")
            shown = self.session.execute(sqlite_time).scalar_one()
            return datetime.fromisoformat(shown).replace(tzinfo=UTC)
        postgres_time = text("SELECT clock_timestamp()").columns(now=DateTime(timezone=True))
        moment: datetime = self.session.execute(postgres_time).scalar_one()
        return moment.astimezone(UTC)
