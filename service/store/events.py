"""The record of what happened."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import and_, func, or_, select

from service.domain import Event, JobMark, JobStatus
from service.errors import EventsPruned
from service.store.scope import Scope
from service.store.tables import EventRow, JobRow

# SQLite takes some thousand parameters in a statement.
_AT_A_TIME = 400


class EventRepository:
    """Reads transitions; they are written only together with the transition itself."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def marks(self, job_ids: list[str]) -> dict[str, JobMark]:
        """Where each of these jobs is; those that do not exist are left out."""
        last = (
            select(func.max(EventRow.seq)).where(EventRow.subject_id == JobRow.id).scalar_subquery()
        )
        found: dict[str, JobMark] = {}
        for start in range(0, len(job_ids), _AT_A_TIME):
            query = select(
                JobRow.id, JobRow.status, JobRow.stage, JobRow.done, JobRow.total, last
            ).where(JobRow.id.in_(job_ids[start : start + _AT_A_TIME]))
            for job_id, status, stage, done, total, seq in self._scope.session.execute(query):
                found[job_id] = JobMark(JobStatus(status), stage, done, total, seq or 0)
        return found

    def after_each(self, marks: Mapping[str, int]) -> list[Event]:
        """Events of several subjects, each above a number of its own."""
        wanted = list(marks.items())
        found: list[Event] = []
        for start in range(0, len(wanted), _AT_A_TIME):
            places = [
                and_(EventRow.subject_id == subject_id, EventRow.seq > seq)
                for subject_id, seq in wanted[start : start + _AT_A_TIME]
            ]
            query = select(EventRow).where(or_(*places))
            query = query.order_by(EventRow.subject_id, EventRow.seq)
            found += [_record(row) for row in self._scope.session.scalars(query)]
        return found

    def list(self, subject_id: str, after: int = 0, limit: int = 200) -> list[Event]:
        """Events of one subject with a number above `after`, oldest first.

        Raises EventsPruned where some of them are gone: numbers have no gaps.
        """
        query = (
            select(EventRow)
            .where(EventRow.subject_id == subject_id, EventRow.seq > after)
            .order_by(EventRow.seq)
            .limit(limit)
        )
        found = [_record(row) for row in self._scope.session.scalars(query)]
        if found and found[0].seq != after + 1:
            raise EventsPruned(found[0].seq)
        return found


def _record(row: EventRow) -> Event:
    return Event(row.subject_id, row.tenant_id, row.seq, row.type, row.data, row.created_at)
