"""Constructions of several replicates: one job that stands for one job per seed."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from service.domain import ClaimedJob, Job, JobFilter, JobKind, JobRequest, JobStatus, Problem
from service.errors import Conflict
from service.store import Store
from tests.service.test_store_jobs import claim, ready_checkpoint


def submit(store: Store, replicates: int = 3, **fields: Any) -> Job:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    spec = {"construction": "2L", "source": {"seed": 5}, "replicates": replicates}
    with store.begin() as tx:
        request = JobRequest(JobKind.CONSTRUCT, spec, checkpoint_id, **fields)
        return tx.jobs.add(tenant_id, request)


def current(store: Store, job: Job) -> Job:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id)


def replicates(store: Store, job: Job) -> list[Job]:
    with store.read() as tx:
        latest_first = tx.jobs.list(job.tenant_id, 100, wanted=JobFilter(parent_id=job.id))
    return list(reversed(latest_first))


def event_types(store: Store, job: Job) -> list[str]:
    with store.read() as tx:
        return [event.type for event in tx.events.list(job.id)]


def succeed(store: Store, claimed: ClaimedJob, parameters: int = 10) -> None:
    job = claimed.job
    report = {"ticket": {"digest": "d", "parameters": parameters}}
    assert job.checkpoint_id is not None
    with store.begin() as tx:
        ticket = tx.tickets.add(job.tenant_id, job.id, job.checkpoint_id, "d", report, [b"x"])
        assert tx.jobs.succeed(job.id, claimed.lease_token, ticket.id, report)


def test_one_job_is_made_for_each_seed(store: Store) -> None:
    job = submit(store, priority=2, labels={"a": "1"})

    parts = replicates(store, job)

    assert (job.replicates, job.progress.stage, job.progress.total) == (3, "replicates", 3)
    assert [part.spec["source"]["seed"] for part in parts] == [5, 6, 7]
    assert {part.priority for part in parts} == {2}
    assert {part.replicates for part in parts} == {None}
    assert sorted(claim(store).job.id for _ in parts) == [part.id for part in parts]
    with store.begin() as tx:
        assert tx.jobs.claim("worker", 60) is None


def test_it_starts_with_the_first_and_succeeds_with_the_last(store: Store) -> None:
    job = submit(store)
    claims = [claim(store) for _ in range(3)]
    assert current(store, job).status is JobStatus.RUNNING
    assert current(store, job).started_at is not None

    for parameters, claimed in zip([10, 20, 30], claims, strict=True):
        before = current(store, job)
        assert not before.status.terminal
        succeed(store, claimed, parameters)

    done = current(store, job)
    assert done.status is JobStatus.SUCCEEDED
    assert done.ticket_id is None
    assert done.progress.fraction == 1.0
    assert done.report is not None
    assert done.report["ticket"]["parameters"]["mean"] == 20
    assert [ticket["seed"] for ticket in done.report["tickets"]] == [5, 6, 7]
    assert all(ticket["ticket_id"] for ticket in done.report["tickets"])
    assert event_types(store, job) == ["job.queued", "job.started", "job.succeeded"]


def test_one_failure_fails_it_once_all_have_ended(store: Store) -> None:
    job = submit(store)
    first, second, third = (claim(store) for _ in range(3))
    with store.begin() as tx:
        assert tx.jobs.fail(second.job.id, second.lease_token, Problem("UNSOLVED", "unlucky"))
    succeed(store, first)
    assert current(store, job).status is JobStatus.RUNNING
    succeed(store, third)

    failed = current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "UNSOLVED"
    assert "1 of 3 replicates" in failed.error.detail
    assert second.job.id in failed.error.detail


def test_canceling_it_cancels_all(store: Store) -> None:
    job = submit(store)
    claimed = claim(store)

    with store.begin() as tx:
        canceling = tx.jobs.cancel(job.tenant_id, job.id, "enough")

    assert (canceling.status, canceling.cancel_reason) == (JobStatus.CANCELING, "enough")
    statuses = [part.status for part in replicates(store, job)]
    assert statuses == [JobStatus.CANCELING, JobStatus.CANCELED, JobStatus.CANCELED]
    with store.begin() as tx:
        assert tx.jobs.cancel_running(claimed.job.id, claimed.lease_token)
    assert current(store, job).status is JobStatus.CANCELED


def test_a_queued_one_is_canceled_at_once(store: Store) -> None:
    job = submit(store)

    with store.begin() as tx:
        canceled = tx.jobs.cancel(job.tenant_id, job.id, "enough")

    assert (canceled.status, canceled.cancel_reason) == (JobStatus.CANCELED, "enough")
    assert {part.status for part in replicates(store, job)} == {JobStatus.CANCELED}


def test_a_rejected_checkpoint_fails_all(store: Store) -> None:
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        spec = {"source": {"seed": 0}, "replicates": 2}
        job = tx.jobs.add(tenant_id, JobRequest(JobKind.CONSTRUCT, spec, checkpoint.id))
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.reject(task.id, task.lease_token, Problem("NOT_FINITE", "a NaN"))

    failed = current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "CHECKPOINT_REJECTED"


def test_a_dead_worker_holds_up_nothing(store: Store) -> None:
    job = submit(store, 2)
    claimed = claim(store)

    with store.begin() as tx:
        assert tx.jobs.release(claimed.job.id, claimed.lease_token, Problem("LOST", "lost"), True)
    for _ in range(2):
        succeed(store, claim(store))

    assert current(store, job).status is JobStatus.SUCCEEDED


def test_a_new_priority_is_also_that_of_the_waiting_replicates(store: Store) -> None:
    job = submit(store)

    with store.begin() as tx:
        tx.jobs.amend(job.tenant_id, job.id, None, 9, lambda _: None)

    assert {part.priority for part in replicates(store, job)} == {9}


def test_the_job_that_stands_for_them_counts_as_none(store: Store) -> None:
    job = submit(store, 2)
    with store.begin() as tx:
        tx.quotas.set_limits(job.tenant_id, {"running_jobs": 1})

    for _ in range(2):
        succeed(store, claim(store))

    assert current(store, job).status is JobStatus.SUCCEEDED


def test_a_retry_makes_all_again(store: Store) -> None:
    job = submit(store)
    with store.begin() as tx:
        tx.jobs.cancel(job.tenant_id, job.id)
        again = tx.jobs.retry(job.tenant_id, job.id)

    assert (again.replicates, again.retry_of) == (3, job.id)
    assert len(replicates(store, again)) == 3


def test_replicates_stay_until_their_job_is_over_and_go_with_it(store: Store) -> None:
    job = submit(store, 2)
    claimed = claim(store)
    part = next(part for part in replicates(store, job) if part.id != claimed.job.id)
    with store.begin() as tx:
        tx.jobs.cancel(part.tenant_id, part.id)
        with pytest.raises(Conflict):
            tx.jobs.delete(part.tenant_id, part.id)
        tx.jobs.cancel(job.tenant_id, job.id)
        tx.jobs.cancel_running(claimed.job.id, claimed.lease_token)

    with store.begin() as tx:
        tx.jobs.delete(job.tenant_id, job.id)

    with store.read() as tx:
        assert tx.jobs.list(job.tenant_id, 10) == []


def test_ends_that_come_together_are_all_counted(store: Store) -> None:
    job = submit(store, 8)
    claims = [claim(store) for _ in range(8)]
    threads = [threading.Thread(target=succeed, args=(store, claimed)) for claimed in claims]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    done = current(store, job)
    assert done.status is JobStatus.SUCCEEDED
    assert done.report is not None
    assert done.report["replicates"] == 8
