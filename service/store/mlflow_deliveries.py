"""Which finished constructions an MLflow server has yet to be told of; one row for each.

The row comes in the transaction that ends the job, whether or not there is such a server: who sets
one up later finds there everything that is still kept.
"""

from __future__ import annotations

import secrets
from typing import Any

from sqlalchemy import Select, and_, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from service.domain import DeliveryStatus, JobKind, MlflowDelivery
from service.store.job_records import record
from service.store.job_transitions import TOLD
from service.store.scope import Scope
from service.store.tables import JobRow, MlflowDeliveryRow, TenantRow

_Own = MlflowDeliveryRow


class MlflowDeliveryRepository:
    """Claims and settles deliveries; any number of senders may do so."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def adopt(self) -> int:
        """Make the rows of jobs that ended without one, under an older release; how many."""
        missing = (
            select(JobRow.id, literal(DeliveryStatus.PENDING.value), literal(0), JobRow.finished_at)
            .outerjoin(_Own, _Own.job_id == JobRow.id)
            .where(
                _Own.job_id.is_(None),
                JobRow.kind == JobKind.CONSTRUCT,
                JobRow.status.in_(TOLD),
                JobRow.parts.is_(None),
                JobRow.finished_at.is_not(None),
            )
        )
        insert = sqlite.insert if self._scope.is_sqlite else postgresql.insert
        made = insert(_Own).from_select(["job_id", "status", "tries", "due_at"], missing)
        adopted = made.on_conflict_do_nothing().returning(_Own.job_id)
        return len(self._scope.session.scalars(adopted).all())

    def any_due(self) -> bool:
        """Whether a job could be claimed now; writes nothing."""
        return self._scope.session.scalar(self._due(_Own.job_id).limit(1)) is not None

    def claim(self, limit: int, lease_seconds: float) -> list[MlflowDelivery]:
        """The jobs due longest, to be told by the caller while the lease lasts."""
        found = self._scope.session.execute(
            self._due(_Own, JobRow, TenantRow.name)
            .order_by(_Own.due_at, _Own.job_id)
            .limit(limit)
            .with_for_update(of=_Own, skip_locked=True)
        ).all()
        claimed = []
        for row, job, tenant in found:
            row.lease_token = secrets.token_hex(16)
            row.lease_expires_at = self._scope.after(lease_seconds)
            claimed.append(MlflowDelivery(record(job), tenant, row.tries, row.lease_token))
        self._scope.session.flush()
        return claimed

    def delivered(self, delivery: MlflowDelivery, run_id: str) -> bool:
        """The server has it; False: the lease was lost meanwhile."""
        return self._settle(delivery, status=DeliveryStatus.DELIVERED, run_id=run_id, error=None)

    def refused(self, delivery: MlflowDelivery, error: str, delay: float | None) -> bool:
        """The server answers, and does not want it; to be told again, or given up."""
        values = {"tries": delivery.tries + 1, "error": error}
        if delay is None:
            return self._settle(delivery, status=DeliveryStatus.FAILED, **values)
        return self._settle(delivery, due_at=self._scope.after(delay), **values)

    def release(self, delivery: MlflowDelivery) -> bool:
        """It was not told, which is nobody's fault: anybody may claim it."""
        return self._settle(delivery)

    def _due(self, *columns: Any) -> Select[Any]:
        now = self._scope.now()
        return (
            select(*columns)
            .join(JobRow, JobRow.id == _Own.job_id)
            .join(TenantRow, TenantRow.id == JobRow.tenant_id)
            .where(
                _Own.status == DeliveryStatus.PENDING,
                _Own.due_at <= now,
                or_(_Own.lease_token.is_(None), _Own.lease_expires_at < now),
            )
        )

    def _settle(self, delivery: MlflowDelivery, **values: Any) -> bool:
        held = and_(_Own.job_id == delivery.job.id, _Own.lease_token == delivery.lease_token)
        changes = values | {"lease_token": None, "lease_expires_at": None}
        return bool(self._scope.change(update(_Own).where(held).values(changes)))
