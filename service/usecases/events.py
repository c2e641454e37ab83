"""What happened to jobs, and what happens now: read once for all who watch."""

from __future__ import annotations

from collections.abc import Mapping

from service.domain import Event, Job, JobMark
from service.store import Store


def list_events(
    store: Store, tenant_id: str, job_id: str, after: int, limit: int
) -> tuple[Job, list[Event]]:
    """A job of the tenant, and its events above a number; raises NotFound, EventsPruned."""
    with store.read() as tx:
        return tx.jobs.get(tenant_id, job_id), tx.events.list(job_id, after, limit)


def look_at_jobs(
    store: Store, known: Mapping[str, int | None]
) -> tuple[dict[str, JobMark], list[Event]]:
    """Where these jobs are, and their events above the last number known of each (None: none)."""
    with store.read() as tx:
        marks = tx.events.marks(list(known))
        behind = {
            job_id: seq
            for job_id, seq in known.items()
            if seq is not None and job_id in marks and marks[job_id].last_event > seq
        }
        return marks, tx.events.after_each(behind)
