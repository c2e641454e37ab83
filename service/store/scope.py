"""What all repositories of one transaction share: its session, its time, its announcements."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    DateTime,
    Executable,
    Table,
    func,
    insert,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from service.domain import DeliveryStatus, Limits, WorkKind
from service.domain.webhooks import message_body, wants
from service.identifiers import new_id
from service.store.actors import current_actor
from service.store.tables import (
    AuditRow,
    EventRow,
    OutboxRow,
    Row,
    WebhookDeliveryRow,
    WebhookEndpointRow,
)


class Scope:
    """One transaction as seen from inside the store."""

    def __init__(self, session: Session, limits: Limits) -> None:
        self.session = session
        self.limits = limits
        self._now: datetime | None = None

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite, for the few things that are said differently there."""
        return self.session.get_bind().dialect.name == "sqlite"

    def now(self) -> datetime:
        """The database's time, asked once per transaction: workers' clocks decide nothing."""
        if self._now is None:
            return self.take_time(self.session.execute(select(self.clock())).scalar_one())
        return self._now

    def clock(self) -> ColumnElement[Any]:
        """The database's time as a column, for a query that asks for something else too."""
        if self.is_sqlite:
            return literal_column("strftime('%Y-%m-%dT%H:%M:%f', 'now')")
        return literal_column("clock_timestamp()", DateTime(timezone=True))

    def take_time(self, shown: Any) -> datetime:
        """Take what `clock` showed as this transaction's time, unless it has one."""
        if self._now is None:
            if self.is_sqlite:
                self._now = datetime.fromisoformat(shown).replace(tzinfo=UTC)
            else:
                self._now = shown.astimezone(UTC)
        return self._now

    def after(self, seconds: float) -> datetime:
        """The database's time plus some seconds."""
        return self.now() + timedelta(seconds=seconds)

    def change(self, statement: Executable) -> int:
        """Run an UPDATE or DELETE; how many rows it met."""
        result = self.session.execute(statement, execution_options={"synchronize_session": False})
        return cast("CursorResult[Any]", result).rowcount

    def insert(self, *rows: Row) -> None:
        """Insert rows of one table now; the session does not come to know them.

        The session's own way costs several times as much, and this is what submissions wait for.
        """
        table = cast("Table", rows[0].__table__)
        values = [
            {column.key: getattr(row, column.key) for column in table.columns} for row in rows
        ]
        self.session.connection().execute(insert(table), values)

    def emit(self, tenant_id: str, subject_id: str, kind: str, data: dict[str, Any]) -> None:
        """Record a transition, and in the audit log who caused it.

        The subject's row is locked by then, so numbers do not collide.
        """
        last = select(func.max(EventRow.seq)).where(EventRow.subject_id == subject_id)
        number = (self.session.scalar(last) or 0) + 1
        self._record(kind, tenant_id, {subject_id: data}, number)

    def emit_first(self, kind: str, tenant_id: str, subjects: Mapping[str, dict[str, Any]]) -> None:
        """Record the first event of each new subject, with its data."""
        self._record(kind, tenant_id, subjects, 1)

    def audit(self, tenant_id: str, subject_id: str, action: str, data: dict[str, Any]) -> None:
        """Record in the audit log what the current actor did; what nobody did is no entry."""
        self._audit(action, tenant_id, {subject_id: data})

    def announce(self, kind: WorkKind, times: int = 1) -> None:
        """Leave wake-ups in the outbox, to be sent once this transaction is committed."""
        if times == 0:
            return
        now = self.now()
        self.insert(
            *(
                OutboxRow(id=new_id("out"), kind=kind, available_at=now, sent_at=None)
                for _ in range(times)
            )
        )

    def _record(
        self, kind: str, tenant_id: str, subjects: Mapping[str, dict[str, Any]], number: int
    ) -> None:
        now = self.now()
        self.insert(
            *(
                EventRow(
                    subject_id=subject_id,
                    tenant_id=tenant_id,
                    seq=number,
                    type=kind,
                    data=data,
                    created_at=now,
                )
                for subject_id, data in subjects.items()
            )
        )
        self._audit(kind, tenant_id, subjects)
        self._tell(kind, tenant_id, subjects)

    def _audit(self, action: str, tenant_id: str, subjects: Mapping[str, dict[str, Any]]) -> None:
        actor = current_actor()
        if actor is None:
            return
        now = self.now()
        self.insert(
            *(
                AuditRow(
                    id=new_id("aud"),
                    tenant_id=tenant_id,
                    key_id=actor.key_id,
                    request_id=actor.request_id,
                    action=action,
                    subject_id=subject_id,
                    data=data,
                    created_at=now,
                )
                for subject_id, data in subjects.items()
            )
        )

    def _tell(self, kind: str, tenant_id: str, subjects: Mapping[str, dict[str, Any]]) -> None:
        """Leave messages for every endpoint of the tenant that wants this kind of event."""
        endpoints = (
            select(WebhookEndpointRow.id, WebhookEndpointRow.events)
            .where(WebhookEndpointRow.tenant_id == tenant_id, WebhookEndpointRow.enabled)
            # An endpoint that is being removed must not take the transition down with it.
            .with_for_update(read=True, key_share=True)
        )
        for endpoint_id, wanted in self.session.execute(endpoints).all():
            if wants(wanted, kind):
                for subject_id, data in subjects.items():
                    self.message(tenant_id, endpoint_id, kind, {"id": subject_id, **data})
        self.session.flush()

    def message(
        self, tenant_id: str, endpoint_id: str, kind: str, data: dict[str, Any]
    ) -> WebhookDeliveryRow:
        """Leave a message for one endpoint, to be sent once this transaction is committed."""
        now = self.now()
        row = WebhookDeliveryRow(
            id=new_id("whd"),
            tenant_id=tenant_id,
            endpoint_id=endpoint_id,
            event_type=kind,
            body=message_body(kind, now, data),
            status=DeliveryStatus.PENDING,
            tries=0,
            attempts=[],
            due_at=now,
            created_at=now,
        )
        self.session.add(row)
        return row
