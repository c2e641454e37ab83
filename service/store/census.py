"""How many of everything there are: what the metrics tell, of one tenant or of all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from service.domain import DeliveryStatus, JobStatus
from service.store.quotas import run_seconds
from service.store.scope import Scope
from service.store.tables import (
    CheckpointRow,
    DatasetRow,
    JobRow,
    TicketRow,
    WebhookDeliveryRow,
)

DURATION_BOUNDS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3600.0, 21600.0)
"""Upper bounds, in seconds, of the classes in which durations of jobs are counted."""


@dataclass(frozen=True, slots=True)
class Durations:
    """Finished jobs of one kind: how many ran at most each bound, how many in all, how long."""

    kind: str
    up_to: tuple[int, ...]
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Census:
    """A count of everything at one moment."""

    jobs: dict[tuple[str, str], int]
    queue_seconds: float
    durations: tuple[Durations, ...]
    uploads: dict[tuple[str, str], int]
    upload_bytes: int
    tickets: int
    ticket_bytes: int
    deliveries: dict[str, int]
    delivery_seconds: float


class CensusRepository:
    """Counts."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def take(self, tenant_id: str | None) -> Census:
        """Count what one tenant has, or (None) everybody."""
        uploads: dict[tuple[str, str], int] = {}
        stored = 0
        for kind, row in (("checkpoint", CheckpointRow), ("dataset", DatasetRow)):
            for status, count, size in self._rows(
                select(row.status, func.count(), func.coalesce(func.sum(row.bytes), 0))
                .where(row.deleted_at.is_(None))
                .group_by(row.status),
                row.tenant_id,
                tenant_id,
            ):
                uploads[kind, status] = count
                stored += int(size)
        jobs = select(JobRow.kind, JobRow.status, func.count()).group_by(JobRow.kind, JobRow.status)
        sent = WebhookDeliveryRow.status
        deliveries = select(sent, func.count()).group_by(sent)
        tickets = select(func.count(), func.coalesce(func.sum(TicketRow.bytes), 0))
        ((ticket_count, ticket_bytes),) = self._rows(tickets, TicketRow.tenant_id, tenant_id)
        return Census(
            jobs={
                (row[0], row[1]): row[2] for row in self._rows(jobs, JobRow.tenant_id, tenant_id)
            },
            queue_seconds=self._oldest(
                select(func.min(JobRow.queued_at)).where(JobRow.status == JobStatus.QUEUED),
                JobRow.tenant_id,
                tenant_id,
            ),
            durations=self._durations(tenant_id),
            uploads=uploads,
            upload_bytes=stored,
            tickets=ticket_count,
            ticket_bytes=int(ticket_bytes),
            deliveries={
                row[0]: row[1]
                for row in self._rows(deliveries, WebhookDeliveryRow.tenant_id, tenant_id)
            },
            delivery_seconds=self._oldest(
                select(func.min(WebhookDeliveryRow.created_at)).where(
                    sent == DeliveryStatus.PENDING
                ),
                WebhookDeliveryRow.tenant_id,
                tenant_id,
            ),
        )

    def _durations(self, tenant_id: str | None) -> tuple[Durations, ...]:
        ran = run_seconds(self._scope)
        classes = [func.count().filter(ran <= bound) for bound in DURATION_BOUNDS]
        query = (
            select(JobRow.kind, func.count(), func.sum(ran), *classes)
            .where(JobRow.finished_at.is_not(None), JobRow.started_at.is_not(None))
            .group_by(JobRow.kind)
        )
        return tuple(
            Durations(kind, tuple(up_to), count, float(seconds or 0.0))
            for kind, count, seconds, *up_to in self._rows(query, JobRow.tenant_id, tenant_id)
        )

    def _oldest(self, query: Select[Any], owner: Any, tenant_id: str | None) -> float:
        """Seconds since the earliest of the selected moments; 0 where there is none."""
        ((moment,),) = self._rows(query, owner, tenant_id)
        return 0.0 if moment is None else max(0.0, (self._scope.now() - moment).total_seconds())

    def _rows(self, query: Any, owner: Any, tenant_id: str | None) -> list[Any]:
        own = query if tenant_id is None else query.where(owner == tenant_id)
        return list(self._scope.session.execute(own))
