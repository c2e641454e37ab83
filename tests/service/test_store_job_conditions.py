"""Priorities, deadlines, changes, repetitions and deletions of jobs in the database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from service.domain import Job, JobFilter, JobStatus, Problem
from service.errors import Conflict, NotFound
from service.store import Store
from service.store.tables import JobRow
from tests.service.test_store_jobs import claim, job_request, ready_checkpoint, status


def submit(store: Store, tenant_id: str, checkpoint_id: str, **fields: Any) -> Job:
    with store.begin() as tx:
        return tx.jobs.add(tenant_id, job_request(checkpoint_id, **fields))


def current(store: Store, job: Job) -> Job:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id)


def events(store: Store, job: Job) -> list[str]:
    with store.read() as tx:
        return [event.type for event in tx.events.list(job.id)]


def fail(store: Store, job: Job) -> None:
    claimed = claim(store)
    assert claimed.job.id == job.id
    with store.begin() as tx:
        assert tx.jobs.fail(job.id, claimed.lease_token, Problem("BROKEN", "it broke"))


def let_pass(store: Store, job: Job, **columns: timedelta) -> None:
    """Move moments of a job into the past."""
    changes = {name: getattr(JobRow, name) for name in columns}
    with store.engine.begin() as connection:
        row = connection.execute(JobRow.__table__.select().where(JobRow.id == job.id)).one()
        moved = {name: getattr(row, name) - columns[name] for name in changes}
        connection.execute(update(JobRow).where(JobRow.id == job.id).values(moved))


def anything(_: Job) -> None:
    """A check that everything passes."""


def test_priority_goes_before_the_tenants_turn_and_that_before_age(store: Store) -> None:
    first, second = ready_checkpoint(store, "one"), ready_checkpoint(store, "two")
    low = submit(store, *first, priority=-10)
    old = [submit(store, *first) for _ in range(2)]
    other = submit(store, *second)
    urgent = submit(store, *first, priority=10)

    order = [claim(store).job.id for _ in range(5)]

    # The urgent one was its tenant's turn, so the other tenant is next.
    assert order == [urgent.id, other.id, old[0].id, old[1].id, low.id]


def test_a_job_that_waits_too_long_expires(store: Store) -> None:
    place = ready_checkpoint(store)
    late, patient = submit(store, *place, queue_timeout_s=60), submit(store, *place)
    let_pass(store, late, queue_deadline=timedelta(seconds=61))

    assert claim(store).job.id == patient.id
    with store.begin() as tx:
        assert tx.jobs.claim("worker", 60) is None
        assert tx.jobs.expire() == [late.id]
        assert tx.jobs.expire() == []

    expired = current(store, late)
    assert expired.status is JobStatus.EXPIRED
    assert expired.error is not None
    assert expired.error.code == "QUEUE_TIMEOUT"
    assert expired.finished_at is not None
    assert events(store, late) == ["job.queued", "job.expired"]


def test_a_job_that_started_in_time_does_not_expire(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store), queue_timeout_s=60)
    claimed = claim(store)
    let_pass(store, job, queue_deadline=timedelta(seconds=61))

    with store.begin() as tx:
        assert tx.jobs.expire() == []
        assert tx.jobs.release(job.id, claimed.lease_token, Problem("LOST", "lost"), True)

    # Back in the queue it may wait as long again.
    assert claim(store).job.id == job.id


def test_labels_change_at_any_time_and_the_priority_only_in_the_queue(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store), labels={"a": "1"})
    with store.begin() as tx:
        changed = tx.jobs.amend(job.tenant_id, job.id, {"b": "2"}, 7, anything)
    assert (changed.labels, changed.priority) == ({"b": "2"}, 7)
    claim(store)

    with store.begin() as tx:
        assert tx.jobs.amend(job.tenant_id, job.id, {}, None, anything).labels == {}
        with pytest.raises(Conflict) as refusal:
            tx.jobs.amend(job.tenant_id, job.id, None, 1, anything)

    assert refusal.value.code == "JOB_NOT_QUEUED"
    assert events(store, job) == ["job.queued", "job.updated", "job.started", "job.updated"]


def test_a_change_that_changes_nothing_is_no_event(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store), labels={"a": "1"}, priority=2)

    with store.begin() as tx:
        tx.jobs.amend(job.tenant_id, job.id, {"a": "1"}, 2, anything)

    assert events(store, job) == ["job.queued"]


def test_a_refused_check_leaves_the_job_as_it_was(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store))

    def refuse(seen: Job) -> None:
        assert seen == job
        raise Conflict("no")

    with pytest.raises(Conflict), store.begin() as tx:
        tx.jobs.amend(job.tenant_id, job.id, {"a": "1"}, 1, refuse)

    assert current(store, job) == job


def test_a_terminal_job_can_be_submitted_again(store: Store) -> None:
    place = ready_checkpoint(store)
    job = submit(
        store, *place, labels={"a": "1"}, priority=4, timeout_s=5, queue_timeout_s=9, max_attempts=2
    )
    with store.begin() as tx, pytest.raises(Conflict) as refusal:
        tx.jobs.retry(job.tenant_id, job.id)
    assert refusal.value.code == "JOB_NOT_TERMINAL"
    fail(store, job)

    with store.begin() as tx:
        again = tx.jobs.retry(job.tenant_id, job.id)

    assert again.id != job.id
    assert again.retry_of == job.id
    assert (again.status, again.attempt) == (JobStatus.QUEUED, 0)
    for kept in ("spec", "labels", "priority", "timeout_s", "queue_timeout_s", "max_attempts"):
        assert getattr(again, kept) == getattr(job, kept)
    assert current(store, job).status is JobStatus.FAILED
    assert claim(store).job.id == again.id


def test_only_a_terminal_job_without_a_ticket_can_be_deleted(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store))
    with store.begin() as tx, pytest.raises(Conflict):
        tx.jobs.delete(job.tenant_id, job.id)
    fail(store, job)

    with store.begin() as tx:
        tx.jobs.delete(job.tenant_id, job.id)

    with pytest.raises(NotFound):
        status(store, job)
    assert events(store, job) == []


def test_a_job_with_a_ticket_is_kept(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store))
    claimed = claim(store)
    with store.begin() as tx:
        assert job.checkpoint_id is not None
        ticket = tx.tickets.add(job.tenant_id, job.id, job.checkpoint_id, "d", {}, [b"x"])
        assert tx.jobs.succeed(job.id, claimed.lease_token, ticket.id, {})

    with store.begin() as tx, pytest.raises(Conflict) as refusal:
        tx.jobs.delete(job.tenant_id, job.id)

    assert refusal.value.code == "JOB_HAS_TICKET"
    assert current(store, job).status is JobStatus.SUCCEEDED


def test_the_reason_of_a_cancellation_is_kept(store: Store) -> None:
    place = ready_checkpoint(store)
    running, queued = submit(store, *place), submit(store, *place)
    claim(store)

    with store.begin() as tx:
        for job in (running, queued):
            tx.jobs.cancel(job.tenant_id, job.id, "a mistake")

    assert current(store, running).cancel_reason == "a mistake"
    assert current(store, queued).cancel_reason == "a mistake"
    assert current(store, running).status is JobStatus.CANCELING
    assert current(store, queued).status is JobStatus.CANCELED


FILTERS: list[tuple[str, Callable[[list[Job]], JobFilter]]] = [
    ("first", lambda jobs: JobFilter(labels=(("team/a", "x"),))),
    ("first", lambda jobs: JobFilter(labels=(("run.no", "1"), ("team/a", "x")))),
    ("second", lambda jobs: JobFilter(labels=(("run.no", "2"),))),
    ("neither", lambda jobs: JobFilter(labels=(("run.no", "1"), ("team/a", "y")))),
    ("neither", lambda jobs: JobFilter(labels=(("absent", ""),))),
    ("first", lambda jobs: JobFilter(created_before=jobs[1].created_at)),
    ("second", lambda jobs: JobFilter(created_after=jobs[1].created_at)),
    ("both", lambda jobs: JobFilter(checkpoint_id=jobs[0].checkpoint_id)),
    ("neither", lambda jobs: JobFilter(checkpoint_id="ckp_absent")),
    ("neither", lambda jobs: JobFilter(batch_id="bat_absent")),
    ("neither", lambda jobs: JobFilter(parent_id=jobs[0].id)),
    ("both", lambda jobs: JobFilter(status=JobStatus.QUEUED)),
]


def test_lists_are_filtered(store: Store) -> None:
    place = ready_checkpoint(store)
    jobs = [
        submit(store, *place, labels={"team/a": "x", "run.no": "1"}),
        submit(store, *place, labels={"team/a": 'it\'s "y"', "run.no": "2"}),
    ]
    if jobs[0].created_at == jobs[1].created_at:
        let_pass(store, jobs[0], created_at=timedelta(seconds=1))
    expected = {"first": [0], "second": [1], "both": [1, 0], "neither": []}

    for wanted, make in FILTERS:
        with store.read() as tx:
            found = tx.jobs.list(place[0], 10, wanted=make(jobs))
        assert [job.id for job in found] == [jobs[n].id for n in expected[wanted]], make(jobs)
