"""What is old enough to be deleted, some rows at a time."""

from __future__ import annotations

from sqlalchemy import delete, exists, func, select, tuple_
from sqlalchemy.orm import aliased

from service.domain import JobStatus
from service.store.jobs import JobRepository
from service.store.scope import Scope
from service.store.tables import EventRow, JobRow, TicketRow
from service.store.tickets import TicketRepository

_DAY = 86_400.0


class RetentionRepository:
    """Deletes what is older than some days; each call at most `limit` rows, and says how many."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def expire_tickets(self, days: float, limit: int) -> int:
        """Tickets with their files and exports."""
        old = (
            select(TicketRow.tenant_id, TicketRow.id)
            .where(TicketRow.created_at < self._scope.after(-days * _DAY))
            .order_by(TicketRow.id)
            .limit(limit)
        )
        found = self._scope.session.execute(old).all()
        tickets = TicketRepository(self._scope)
        for tenant_id, ticket_id in found:
            tickets.delete(tenant_id, ticket_id)
        return len(found)

    def expire_jobs(self, days: float, limit: int) -> int:
        """Finished jobs with their events and logs; a job stays as long as its ticket does."""
        part = aliased(JobRow)
        family = exists().where(part.parent_id == JobRow.id, TicketRow.job_id == part.id)
        old = (
            select(JobRow.tenant_id, JobRow.id)
            .where(
                JobRow.status.in_([status for status in JobStatus if status.terminal]),
                JobRow.finished_at < self._scope.after(-days * _DAY),
                # Replicates go with the job that stands for them.
                JobRow.parent_id.is_(None),
                ~exists().where(TicketRow.job_id == JobRow.id),
                ~family,
            )
            .order_by(JobRow.id)
            .limit(limit)
        )
        found = self._scope.session.execute(old).all()
        jobs = JobRepository(self._scope)
        for tenant_id, job_id in found:
            jobs.delete(tenant_id, job_id)
        return len(found)

    def expire_events(self, days: float, limit: int) -> int:
        """Events but for each subject's last, from which its numbers go on."""
        later = aliased(EventRow)
        last = (
            select(func.max(later.seq))
            .where(later.subject_id == EventRow.subject_id)
            .scalar_subquery()
        )
        old = (
            select(EventRow.subject_id, EventRow.seq)
            .where(EventRow.created_at < self._scope.after(-days * _DAY), EventRow.seq < last)
            .limit(limit)
        )
        found = [tuple(row) for row in self._scope.session.execute(old)]
        if found:
            key = tuple_(EventRow.subject_id, EventRow.seq)
            self._scope.change(delete(EventRow).where(key.in_(found)))
        return len(found)
