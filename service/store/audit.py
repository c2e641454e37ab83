"""The audit log. Entries are written by `Scope.audit`, with the change they speak of."""

from __future__ import annotations

from sqlalchemy import select

from service.domain import AuditEntry
from service.store.scope import Scope
from service.store.tables import AuditRow


class AuditRepository:
    """Reads the log."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def list(
        self,
        tenant_id: str,
        limit: int,
        after: str | None = None,
        subject_id: str | None = None,
        key_id: str | None = None,
    ) -> list[AuditEntry]:
        """Entries of the tenant, newest first; about one subject or by one key, if given."""
        query = select(AuditRow).where(AuditRow.tenant_id == tenant_id)
        if after is not None:
            query = query.where(AuditRow.id < after)
        if subject_id is not None:
            query = query.where(AuditRow.subject_id == subject_id)
        if key_id is not None:
            query = query.where(AuditRow.key_id == key_id)
        query = query.order_by(AuditRow.id.desc()).limit(limit)
        return [
            AuditEntry(
                row.id,
                row.tenant_id,
                row.key_id,
                row.request_id,
                row.action,
                row.subject_id,
                row.data,
                row.created_at,
            )
            for row in self._scope.session.scalars(query)
        ]
