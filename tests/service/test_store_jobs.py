"""Jobs in the database: who gets them, who may finish them, and what never changes again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.domain import (
    ClaimedJob,
    Job,
    JobDevice,
    JobFilter,
    JobKind,
    JobRequest,
    JobStatus,
    LeaseState,
    Problem,
    Progress,
)
from service.errors import NotFound, UploadRejected
from service.store import Store, Transaction

CLAIMER = Path(__file__).with_name("claimer.py")
BROKEN = Problem("BROKEN", "it broke")


def ready_checkpoint(store: Store, tenant: str = "default", digest: str = "a") -> tuple[str, str]:
    """The ids of a tenant and of a checkpoint of theirs that is ready."""
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_tenant(tenant)
        checkpoint = tx.checkpoints.add(tenant_id, "net", digest * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        assert tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})
    return tenant_id, checkpoint.id


def job_request(checkpoint_id: str | None, **fields: Any) -> JobRequest:
    return JobRequest(JobKind.CONSTRUCT, {"construction": "2L"}, checkpoint_id, **fields)


def submit(store: Store, tenant_id: str, checkpoint_id: str, max_attempts: int = 3) -> Job:
    with store.begin() as tx:
        return tx.jobs.add(tenant_id, job_request(checkpoint_id, max_attempts=max_attempts))


def claim(store: Store, lease_seconds: float = 60) -> ClaimedJob:
    with store.begin() as tx:
        claimed = tx.jobs.claim("worker", lease_seconds)
    assert claimed is not None
    return claimed


def status(store: Store, job: Job) -> JobStatus:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id).status


@pytest.fixture
def queued(store: Store) -> Job:
    return submit(store, *ready_checkpoint(store))


def test_many_processes_claim_each_job_once(store: Store, database_url: str) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    submitted = {submit(store, tenant_id, checkpoint_id).id for _ in range(60)}

    claimers = [
        subprocess.Popen(
            [sys.executable, str(CLAIMER), database_url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = [claimer.communicate(timeout=60)[0] for claimer in claimers]

    assert [claimer.returncode for claimer in claimers] == [0] * 4
    assert sorted("".join(outputs).split()) == sorted(submitted)


def test_tenants_are_served_in_turn_and_each_in_order(store: Store) -> None:
    first, second = ready_checkpoint(store, "one"), ready_checkpoint(store, "two")
    jobs = [submit(store, *first), submit(store, *first), submit(store, *second)]

    order = [claim(store).job.id for _ in range(3)]

    assert order == [jobs[0].id, jobs[2].id, jobs[1].id]


def test_a_job_waits_until_its_checkpoint_is_ready(store: Store) -> None:
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
    job = submit(store, tenant_id, checkpoint.id)

    with store.begin() as tx:
        assert tx.jobs.claim("worker", 60) is None
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})

    assert claim(store).job.id == job.id


def test_a_rejected_checkpoint_fails_the_jobs_that_wait_and_refuses_new_ones(store: Store) -> None:
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
    job = submit(store, tenant_id, checkpoint.id)

    with store.begin() as tx:
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.reject(task.id, task.lease_token, Problem("NOT_FINITE", "a NaN"))

    with store.read() as tx:
        failed = tx.jobs.get(tenant_id, job.id)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "CHECKPOINT_REJECTED"
    assert "NOT_FINITE" in failed.error.detail
    with pytest.raises(UploadRejected):
        submit(store, tenant_id, checkpoint.id)


def test_progress_and_cancellation_travel_with_the_heartbeat(store: Store, queued: Job) -> None:
    claimed = claim(store)

    with store.begin() as tx:
        progress = Progress.at("construct", 1, 2)
        held = tx.jobs.heartbeat(queued.id, claimed.lease_token, 60, progress)
        seen = tx.jobs.cancel(queued.tenant_id, queued.id)
        asked = tx.jobs.heartbeat(queued.id, claimed.lease_token, 60, None)
        canceled = tx.jobs.cancel_running(queued.id, claimed.lease_token)

    assert held is LeaseState.HELD
    assert seen.status is JobStatus.CANCELING
    assert seen.progress == progress
    assert asked is LeaseState.CANCEL_REQUESTED
    assert canceled
    assert status(store, queued) is JobStatus.CANCELED


def test_a_worker_that_lost_its_lease_can_write_nothing(store: Store, queued: Job) -> None:
    zombie = claim(store, lease_seconds=-1)
    with store.begin() as tx:
        assert tx.jobs.reap() == [queued.id]
    current = claim(store)

    with store.begin() as tx:
        late = [
            tx.jobs.heartbeat(queued.id, zombie.lease_token, 60, None) is not LeaseState.LOST,
            tx.jobs.succeed(queued.id, zombie.lease_token, "tkt_x", {}),
            tx.jobs.fail(queued.id, zombie.lease_token, BROKEN),
            tx.jobs.cancel_running(queued.id, zombie.lease_token),
            tx.jobs.release(queued.id, zombie.lease_token, BROKEN, count_attempt=True),
        ]

    assert not any(late)
    assert current.job.attempt == 2
    assert status(store, queued) is JobStatus.RUNNING


def test_a_job_whose_workers_keep_dying_fails_with_worker_lost(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store), max_attempts=2)

    for _ in range(2):
        claim(store, lease_seconds=-1)
        with store.begin() as tx:
            tx.jobs.reap()

    with store.read() as tx:
        failed = tx.jobs.get(job.tenant_id, job.id)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "WORKER_LOST"


def test_a_canceled_job_with_a_dead_worker_is_canceled_by_the_reaper(
    store: Store, queued: Job
) -> None:
    claim(store, lease_seconds=-1)
    with store.begin() as tx:
        tx.jobs.cancel(queued.tenant_id, queued.id)
        tx.jobs.reap()

    assert status(store, queued) is JobStatus.CANCELED


def test_a_drained_attempt_is_not_counted_and_a_broken_one_is(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store), max_attempts=1)
    drained = claim(store)
    with store.begin() as tx:
        tx.jobs.release(job.id, drained.lease_token, BROKEN, count_attempt=False)
    broken = claim(store)

    with store.begin() as tx:
        tx.jobs.release(job.id, broken.lease_token, BROKEN, count_attempt=True)

    assert broken.job.attempt == 1
    assert status(store, job) is JobStatus.FAILED


def finish_by_success(tx: Transaction, claimed: ClaimedJob) -> None:
    tx.jobs.succeed(claimed.job.id, claimed.lease_token, "tkt_x", {})


def finish_by_failure(tx: Transaction, claimed: ClaimedJob) -> None:
    tx.jobs.fail(claimed.job.id, claimed.lease_token, BROKEN)


def finish_by_cancellation(tx: Transaction, claimed: ClaimedJob) -> None:
    tx.jobs.cancel(claimed.job.tenant_id, claimed.job.id)
    tx.jobs.cancel_running(claimed.job.id, claimed.lease_token)


@pytest.mark.parametrize("finish", [finish_by_success, finish_by_failure, finish_by_cancellation])
def test_terminal_states_never_change(
    store: Store, queued: Job, finish: Callable[[Transaction, ClaimedJob], None]
) -> None:
    claimed = claim(store)
    with store.begin() as tx:
        finish(tx, claimed)
    final = status(store, queued)

    with store.begin() as tx:
        finish_by_success(tx, claimed)
        finish_by_failure(tx, claimed)
        finish_by_cancellation(tx, claimed)
        tx.jobs.release(queued.id, claimed.lease_token, BROKEN, count_attempt=False)
        tx.jobs.reap()
        again = tx.jobs.claim("worker", 60)

    assert final.terminal
    assert status(store, queued) is final
    assert again is None


def test_every_transition_is_an_event_in_order(store: Store, queued: Job) -> None:
    claimed = claim(store)
    with store.begin() as tx:
        tx.jobs.fail(queued.id, claimed.lease_token, BROKEN)

    with store.read() as tx:
        events = tx.events.list(queued.id)

    assert [(event.seq, event.type) for event in events] == [
        (1, "job.queued"),
        (2, "job.started"),
        (3, "job.failed"),
    ]
    assert events[2].data == {"code": "BROKEN"}


def test_a_failed_transaction_leaves_neither_job_nor_message(store: Store) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    with store.read() as tx:
        before = tx.outbox.pending(100)

    def submit_and_fail() -> None:
        with store.begin() as tx:
            tx.jobs.add(tenant_id, job_request(checkpoint_id))
            tx.tickets.get(tenant_id, "tkt_absent")

    with pytest.raises(NotFound):
        submit_and_fail()

    with store.read() as tx:
        assert tx.jobs.list(tenant_id, 10) == []
        assert tx.outbox.pending(100) == before


def test_another_tenants_job_does_not_exist(store: Store, queued: Job) -> None:
    with store.begin() as tx:
        stranger = tx.keys.ensure_tenant("stranger")
        with pytest.raises(NotFound):
            tx.jobs.get(stranger, queued.id)
        with pytest.raises(NotFound):
            tx.jobs.cancel(stranger, queued.id)
        with pytest.raises(NotFound):
            tx.jobs.add(stranger, job_request(queued.checkpoint_id))
        assert tx.jobs.list(stranger, 10) == []


def test_lists_go_from_new_to_old_and_continue_after_an_id(store: Store) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    ids = [submit(store, tenant_id, checkpoint_id).id for _ in range(5)]
    claim(store)

    with store.read() as tx:
        page = [job.id for job in tx.jobs.list(tenant_id, 2)]
        rest = [job.id for job in tx.jobs.list(tenant_id, 10, after=page[-1])]
        running = [
            job.id
            for job in tx.jobs.list(tenant_id, 10, wanted=JobFilter(status=JobStatus.RUNNING))
        ]

    assert page + rest == ids[::-1]
    assert running == [ids[0]]


def test_work_that_waits_too_long_is_seen(store: Store, queued: Job) -> None:
    with store.read() as tx:
        assert tx.jobs.waiting(-1, JobDevice.CPU)
        assert not tx.jobs.waiting(60, JobDevice.CPU)

    claim(store)

    with store.read() as tx:
        assert not tx.jobs.waiting(-1, JobDevice.CPU)
