"""What is old is deleted, what is needed stays, a batch at a time."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.domain import Job, JobKind, JobRequest
from service.errors import Conflict, NotFound
from service.queue import MemoryQueue
from service.settings import Settings
from service.store import Store
from service.store.blobs import LocalBlobStore
from service.store.tables import EventRow, JobRow, TicketRow
from worker.housekeeper import Housekeeper


def tenant(store: Store) -> str:
    with store.begin() as tx:
        return tx.keys.ensure_default_tenant()


def finished_job(store: Store, *, with_ticket: bool) -> Job:
    """A job that succeeded just now."""
    tenant_id = tenant(store)
    with store.begin() as tx:
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        if task is not None:
            tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})
        request = JobRequest(JobKind.CONSTRUCT, {"construction": "2L"}, checkpoint.id)
        job = tx.jobs.add(tenant_id, request)
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        ticket_id = None
        if with_ticket:
            ticket_id = tx.tickets.add(
                tenant_id, job.id, checkpoint.id, "d" * 64, {"specification": {}}, [b"file"]
            ).id
        assert tx.jobs.succeed(job.id, claimed.lease_token, ticket_id, {})
        return tx.jobs.get(tenant_id, job.id)


def age(store: Store, days: float) -> None:
    """Make everything older."""
    with store.engine.begin() as connection, Session(connection) as session:
        for table, column in (
            (JobRow, JobRow.finished_at),
            (TicketRow, TicketRow.created_at),
            (EventRow, EventRow.created_at),
        ):
            for row in session.scalars(select(table)):
                moment = getattr(row, column.key)
                if moment is not None:
                    setattr(row, column.key, moment - timedelta(days=days))
        session.flush()


def keep_house(settings: Settings, store: Store, **days: float) -> None:
    changed = settings.model_copy(update=days)
    Housekeeper(changed, store, MemoryQueue(), "keeper").round(0.0)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    settings.scratch.mkdir(parents=True, exist_ok=True)
    return settings


def test_by_default_everything_is_kept(settings: Settings, store: Store) -> None:
    job = finished_job(store, with_ticket=True)
    age(store, 10_000)

    keep_house(settings, store)

    with store.read() as tx:
        kept = tx.jobs.get(job.tenant_id, job.id)
        assert kept.ticket_id is not None
        assert tx.tickets.get(job.tenant_id, kept.ticket_id)


def test_old_tickets_go_and_their_jobs_forget_them(settings: Settings, store: Store) -> None:
    old = finished_job(store, with_ticket=True)
    age(store, 8)
    fresh = finished_job(store, with_ticket=True)

    keep_house(settings, store, ticket_retention_days=7)

    with store.read() as tx:
        assert tx.jobs.get(old.tenant_id, old.id).ticket_id is None
        kept = tx.jobs.get(fresh.tenant_id, fresh.id).ticket_id
        assert kept is not None
        assert tx.tickets.chunk_lengths(kept) == (4,)
        with pytest.raises(NotFound):
            tx.tickets.get(old.tenant_id, str(old.ticket_id))


def test_an_old_job_stays_as_long_as_its_ticket(settings: Settings, store: Store) -> None:
    with_ticket = finished_job(store, with_ticket=True)
    without = finished_job(store, with_ticket=False)
    age(store, 8)

    keep_house(settings, store, job_retention_days=7)

    with store.read() as tx:
        assert tx.jobs.get(with_ticket.tenant_id, with_ticket.id)
        with pytest.raises(NotFound):
            tx.jobs.get(without.tenant_id, without.id)


def test_jobs_that_are_not_finished_are_kept(settings: Settings, store: Store) -> None:
    tenant_id = tenant(store)
    with store.begin() as tx:
        job = tx.jobs.add(tenant_id, JobRequest(JobKind.STATISTICS, {}))
    age(store, 1000)

    keep_house(settings, store, job_retention_days=1)

    with store.read() as tx:
        assert tx.jobs.get(tenant_id, job.id)


def test_old_events_go_but_numbers_go_on(settings: Settings, store: Store) -> None:
    job = finished_job(store, with_ticket=False)
    age(store, 8)

    keep_house(settings, store, event_retention_days=7)

    with store.engine.connect() as connection:
        numbers = connection.execute(
            select(EventRow.seq).where(EventRow.subject_id == job.id)
        ).scalars()
        assert list(numbers) == [3]


def test_blobs_of_exports_are_kept_until_their_ticket_goes(
    settings: Settings, store: Store
) -> None:
    job = finished_job(store, with_ticket=True)
    assert job.ticket_id is not None
    blobs = LocalBlobStore(settings.blobs)
    staged = blobs.stage()
    staged.write(b"an export")
    sha256, size = staged.commit()
    with store.begin() as tx:
        assert tx.exports.want(job.ticket_id, "npz", job.id)
        assert not tx.exports.want(job.ticket_id, "npz", job.id)
        tx.exports.finish(job.ticket_id, "npz", sha256, size)
    hasty = settings.model_copy(update={"blob_grace_seconds": 1e-6})

    keep_house(hasty, store)
    assert blobs.exists(sha256)

    with store.begin() as tx:
        tx.tickets.delete(job.tenant_id, job.ticket_id)
    keep_house(hasty, store)
    assert not blobs.exists(sha256)


def test_a_data_set_in_use_is_kept_and_an_unused_one_deleted(store: Store) -> None:
    tenant_id = tenant(store)
    with store.begin() as tx:
        dataset = tx.datasets.add(tenant_id, "data", "b" * 64, 10)
        request = JobRequest(JobKind.STATISTICS, {}, dataset_id=dataset.id)
        job = tx.jobs.add(tenant_id, request)
    with pytest.raises(Conflict) as refused, store.begin() as tx:
        tx.datasets.delete(tenant_id, dataset.id)
    assert refused.value.code == "DATASET_IN_USE"
    with pytest.raises(NotFound), store.begin() as tx:
        tx.datasets.delete("another tenant", dataset.id)

    with store.begin() as tx:
        tx.jobs.cancel(tenant_id, job.id)
        tx.datasets.delete(tenant_id, dataset.id)
        tx.datasets.delete(tenant_id, dataset.id)

    with store.read() as tx:
        assert tx.jobs.get(tenant_id, job.id).dataset_id == dataset.id
        assert tx.datasets.referenced(["b" * 64]) == set()
        with pytest.raises(NotFound):
            tx.datasets.get(tenant_id, dataset.id)
