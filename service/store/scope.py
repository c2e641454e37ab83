"""What all repositories of one transaction share: its session, its time, its announcements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    CursorResult,
    DateTime,
    Executable,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.orm import Session

from service.domain import DeliveryStatus, Limits, WebhookFormat, WorkKind
from service.domain.webhooks import cloud_event, message_body, wants
from service.identifiers import new_id
from service.store.actors import current_actor
from service.store.inserts import insert_rows
from service.store.tables import (
    AuditRow,
    EventRow,
    OutboxRow,
    Row,
    WebhookDeliveryRow,
    WebhookEndpointRow,
)

_SQLITE_CLOCK: ColumnElement[Any] = literal_column("strftime('%Y-%m-%dT%H:%M:%f', 'now')")
_POSTGRES_CLOCK: ColumnElement[Any] = literal_column("clock_timestamp()", DateTime(timezone=True))
# Made once: putting a statement together costs as much as sending it.
_ENDPOINTS = (
    select(WebhookEndpointRow.id, WebhookEndpointRow.events, WebhookEndpointRow.format)
    .where(WebhookEndpointRow.tenant_id == bindparam("tenant_id"), WebhookEndpointRow.enabled)
    # An endpoint that is being removed must not take the transition down with it.
    .with_for_update(read=True, key_share=True)
)
_ASK_SQLITE, _ASK_POSTGRES = select(_SQLITE_CLOCK), select(_POSTGRES_CLOCK)


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

    def connection(self) -> Connection:
        """The connection itself: it knows no rows, and sees what the session wrote so far."""
        self.session.flush()
        return self.session.connection()

    def now(self) -> datetime:
        """The database's time, asked once per transaction: workers' clocks decide nothing."""
        if self._now is None:
            asked = _ASK_SQLITE if self.is_sqlite else _ASK_POSTGRES
            return self.take_time(self.session.connection().execute(asked).scalar_one())
        return self._now

    def clock(self) -> ColumnElement[Any]:
        """The database's time as a column, for a query that asks for something else too."""
        return _SQLITE_CLOCK if self.is_sqlite else _POSTGRES_CLOCK

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
        """Insert rows now; the session does not come to know them."""
        insert_rows(self.connection(), rows)

    def emit(self, tenant_id: str, subject_id: str, kind: str, data: dict[str, Any]) -> None:
        """Record a transition, and in the audit log who caused it.

        The subject's row is locked by then, so numbers do not collide.
        """
        last = select(func.max(EventRow.seq)).where(EventRow.subject_id == subject_id)
        number = (self.session.scalar(last) or 0) + 1
        self._record(kind, tenant_id, {subject_id: data}, number)

    def emit_first(
        self,
        kind: str,
        tenant_id: str,
        subjects: Mapping[str, dict[str, Any]],
        rows: Sequence[Row] = (),
    ) -> None:
        """Record the first event of each new subject, with its data, and insert `rows` before."""
        self._record(kind, tenant_id, subjects, 1, rows)

    def audit(self, tenant_id: str, subject_id: str, action: str, data: dict[str, Any]) -> None:
        """Record in the audit log what the current actor did; what nobody did is no entry."""
        entries = self._audit_entries(action, tenant_id, {subject_id: data})
        if entries:
            self.insert(*entries)

    def announce(self, kind: WorkKind, times: int = 1) -> None:
        """Leave wake-ups in the outbox, to be sent once this transaction is committed."""
        self.insert(*self.wake_ups(kind, times))

    def wake_ups(self, kind: WorkKind, times: int = 1) -> list[Row]:
        """The rows of wake-ups, to be inserted with others."""
        now = self.now()
        return [
            OutboxRow(id=new_id("out"), kind=kind, available_at=now, sent_at=None)
            for _ in range(times)
        ]

    def _record(
        self,
        kind: str,
        tenant_id: str,
        subjects: Mapping[str, dict[str, Any]],
        number: int,
        rows: Sequence[Row] = (),
    ) -> None:
        now = self.now()
        events = [
            EventRow(
                subject_id=subject_id,
                tenant_id=tenant_id,
                seq=number,
                type=kind,
                data=data,
                created_at=now,
            )
            for subject_id, data in subjects.items()
        ]
        audited = self._audit_entries(kind, tenant_id, subjects)
        self.insert(*rows, *events, *audited, *self._messages(kind, tenant_id, subjects))

    def _audit_entries(
        self, action: str, tenant_id: str, subjects: Mapping[str, dict[str, Any]]
    ) -> list[AuditRow]:
        actor = current_actor()
        if actor is None:
            return []
        now = self.now()
        return [
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
        ]

    def _messages(
        self, kind: str, tenant_id: str, subjects: Mapping[str, dict[str, Any]]
    ) -> list[WebhookDeliveryRow]:
        """Messages for every endpoint of the tenant that wants this kind of event."""
        endpoints = self.connection().execute(_ENDPOINTS, {"tenant_id": tenant_id})
        return [
            self.message(tenant_id, endpoint_id, form, kind, {"id": subject_id, **data})
            for endpoint_id, wanted, form in endpoints.all()
            if wants(wanted, kind)
            for subject_id, data in subjects.items()
        ]

    def message(
        self, tenant_id: str, endpoint_id: str, form: str, kind: str, data: dict[str, Any]
    ) -> WebhookDeliveryRow:
        """The row of a message for one endpoint, sent once it is inserted and committed."""
        now, message_id = self.now(), new_id("whd")
        cloud = form == WebhookFormat.CLOUDEVENTS
        return WebhookDeliveryRow(
            id=message_id,
            tenant_id=tenant_id,
            endpoint_id=endpoint_id,
            event_type=kind,
            body=cloud_event(message_id, tenant_id, kind, now, data)
            if cloud
            else message_body(kind, now, data),
            format=form,
            status=DeliveryStatus.PENDING,
            tries=0,
            attempts=[],
            due_at=now,
            created_at=now,
        )
