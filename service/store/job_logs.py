"""What jobs wrote to their logs."""

from __future__ import annotations

from sqlalchemy import func, select

from service.store.scope import Scope
from service.store.tables import JobLogRow, JobRow


class JobLogRepository:
    """Appends to logs and reads them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def append(self, job_id: str, data: bytes) -> None:
        """Add a piece at the end; those who build shards of one job take turns."""
        self._scope.session.execute(select(JobRow.id).where(JobRow.id == job_id).with_for_update())
        last = select(func.max(JobLogRow.index)).where(JobLogRow.job_id == job_id)
        number = self._scope.session.scalar(last)
        index = 0 if number is None else number + 1
        self._scope.session.add(JobLogRow(job_id=job_id, index=index, data=data))
        self._scope.session.flush()

    def read(self, job_id: str) -> bytes:
        """The whole log; its size is bounded by whoever appends."""
        query = select(JobLogRow.data).where(JobLogRow.job_id == job_id).order_by(JobLogRow.index)
        return b"".join(self._scope.session.scalars(query))
