"""Batches in the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from service.domain import Batch, BatchLine, JobStatus
from service.errors import NotFound
from service.identifiers import new_id
from service.store.scope import Scope
from service.store.tables import BatchRow, JobRow


class BatchRepository:
    """Adds and shows batches; their jobs are the job repository's."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add(self, tenant_id: str, name: str, request: dict[str, Any], total: int) -> str:
        """A new batch, still without jobs; its id."""
        row = BatchRow(
            id=new_id("bat"),
            tenant_id=tenant_id,
            name=name,
            request=request,
            total=total,
            created_at=self._scope.now(),
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        return row.id

    def get(self, tenant_id: str, batch_id: str) -> Batch:
        """One batch of the tenant; raises NotFound."""
        row = self._scope.session.get(BatchRow, batch_id)
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("batch", batch_id)
        return self._records([row])[0]

    def lines(self, batch_id: str) -> list[BatchLine]:
        """The jobs of a batch in the order of their submission."""
        query = (
            select(
                JobRow.id,
                JobRow.status,
                JobRow.spec,
                JobRow.report,
                JobRow.ticket_id,
                JobRow.error_code,
            )
            .where(JobRow.batch_id == batch_id)
            .order_by(JobRow.id)
        )
        return [
            BatchLine(row.id, JobStatus(row.status), *row[2:])
            for row in self._scope.session.execute(query)
        ]

    def unfinished(self, batch_id: str) -> Sequence[str]:
        """The ids of the jobs of a batch that have not ended."""
        query = select(JobRow.id).where(JobRow.batch_id == batch_id, JobRow.finished_at.is_(None))
        return self._scope.session.scalars(query.order_by(JobRow.id)).all()

    def list(self, tenant_id: str, limit: int, after: str | None = None) -> Sequence[Batch]:
        """Batches of the tenant, newest first, starting below the id `after`."""
        query = select(BatchRow).where(BatchRow.tenant_id == tenant_id)
        if after is not None:
            query = query.where(BatchRow.id < after)
        query = query.order_by(BatchRow.id.desc()).limit(limit)
        return self._records(self._scope.session.scalars(query).all())

    def _records(self, rows: Sequence[BatchRow]) -> Sequence[Batch]:
        counts: dict[str, dict[JobStatus, int]] = {row.id: {} for row in rows}
        query = (
            select(JobRow.batch_id, JobRow.status, func.count())
            .where(JobRow.batch_id.in_(counts))
            .group_by(JobRow.batch_id, JobRow.status)
        )
        for batch_id, status, number in self._scope.session.execute(query):
            counts[str(batch_id)][JobStatus(status)] = number
        return [
            Batch(
                row.id,
                row.tenant_id,
                row.name,
                row.request,
                row.total,
                counts[row.id],
                row.created_at,
            )
            for row in rows
        ]
