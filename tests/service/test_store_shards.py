"""Shards in the database: taken by anybody, each once, kept when workers die, gone in the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from service.domain import (
    ClaimedJob,
    Job,
    JobDevice,
    JobKind,
    JobRequest,
    JobStatus,
    LeaseState,
    PlannedShards,
    Problem,
    Progress,
    Shard,
    ShardCounts,
    ShardKind,
    ShardStatus,
    ShardTask,
)
from service.store import Store
from tests.service.test_store_jobs import claim, ready_checkpoint, status, submit

WORKER = Path(__file__).with_name("shard_worker.py")
BROKEN = Problem("UNSOLVED_PROBLEMS", "3 problems have no solution")
GONE = Problem("RUNNER_DIED", "it died")


def documents(count: int, layer: int = 6) -> PlannedShards:
    found = [{"layer": layer, "first": 10 * n, "last": 10 * n + 10} for n in range(count)]
    return PlannedShards(tuple((ShardKind.BUILD, each) for each in found), expected=2)


def divide(store: Store, job: Job, count: int) -> Job:
    """The job, claimed and divided into so many shards."""
    claimed = claim(store)
    assert claimed.job.id == job.id
    with store.begin() as tx:
        assert tx.shards.plan(job.id, claimed.lease_token, documents(count))
    return current(store, job)


def current(store: Store, job: Job) -> Job:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id)


def shards(store: Store, job: Job) -> list[Shard]:
    with store.read() as tx:
        return tx.shards.list(job.id, 1000)


def take(store: Store, seconds: float = 60) -> tuple[ClaimedJob, ShardTask]:
    with store.begin() as tx:
        claimed = tx.shards.claim("worker", seconds)
    assert claimed is not None
    assert claimed.shard is not None
    return claimed, claimed.shard


def nothing_to_take(store: Store) -> bool:
    with store.begin() as tx:
        return tx.shards.claim("worker", 60) is None


def finish(store: Store, claimed: ClaimedJob) -> bool:
    assert claimed.shard is not None
    with store.begin() as tx:
        digest = f"{claimed.shard.index:064x}"
        return tx.shards.finish(claimed.shard.id, claimed.lease_token, digest, {"problems": 5})


def finish_all(store: Store, count: int) -> None:
    for _ in range(count):
        assert finish(store, take(store)[0])


def statuses(store: Store, job: Job) -> list[ShardStatus]:
    return [shard.status for shard in shards(store, job)]


@pytest.fixture
def divided(store: Store) -> Job:
    return divide(store, submit(store, *ready_checkpoint(store)), 3)


def test_a_divided_job_runs_without_a_lease_of_its_own(store: Store, divided: Job) -> None:
    assert divided.status is JobStatus.RUNNING
    assert divided.shards == ShardCounts(0, 5)
    assert (divided.progress.stage, divided.progress.total) == ("shards", 5)
    with store.begin() as tx:
        assert tx.jobs.reap() == []
        assert tx.jobs.claim("worker", 60) is None
        assert tx.jobs.lease_tokens() == set()
        assert len(tx.outbox.pending(10)) >= 3


def test_a_job_whose_lease_is_lost_is_not_divided(store: Store, divided: Job) -> None:
    with store.begin() as tx:
        assert not tx.shards.plan(divided.id, "stale", documents(1))

    assert len(shards(store, divided)) == 4


def test_a_merge_comes_once_all_before_it_are_done(store: Store, divided: Job) -> None:
    held = [take(store) for _ in range(3)]

    assert [task.document["first"] for _, task in held if task.document] == [0, 10, 20]
    assert nothing_to_take(store)
    for claimed, _ in held:
        assert finish(store, claimed)
    claimed, merge = take(store)
    assert merge.kind is ShardKind.MERGE
    assert [(done.document["first"], int(done.sha256, 16)) for done in merge.finished] == [
        (0, 0),
        (10, 1),
        (20, 2),
    ]
    assert current(store, divided).shards == ShardCounts(3, 5)


def test_a_merge_may_add_a_wave(store: Store, divided: Job) -> None:
    finish_all(store, 3)
    claimed, merge = take(store)
    with store.begin() as tx:
        planned = PlannedShards(documents(2, layer=4).shards, 0)
        assert tx.shards.extend(merge.id, claimed.lease_token, planned)

    assert current(store, divided).shards == ShardCounts(3, 5)
    finish_all(store, 2)
    last, merge = take(store)
    assert [done.document["layer"] for done in merge.finished] == [6, 6, 6, 4, 4]
    with store.begin() as tx:
        assert tx.shards.succeed(merge.id, last.lease_token, None, {"ticket": {}})
    assert status(store, divided) is JobStatus.SUCCEEDED


def test_at_the_end_blobs_are_forgotten_and_what_was_done_is_kept(
    store: Store, divided: Job
) -> None:
    finish_all(store, 3)
    digests = [f"{n:064x}" for n in range(3)]
    with store.read() as tx:
        assert tx.shards.referenced(digests) == set(digests)
    claimed, merge = take(store)
    with store.begin() as tx:
        assert tx.shards.succeed(merge.id, claimed.lease_token, None, {})

    with store.read() as tx:
        assert tx.shards.referenced(digests) == set()
    assert statuses(store, divided) == [ShardStatus.DONE] * 4
    assert shards(store, divided)[0].report == {"problems": 5}


def test_a_lost_worker_costs_its_own_shard_alone(store: Store, divided: Job) -> None:
    assert finish(store, take(store)[0])
    lost, task = take(store, seconds=-1)

    with store.begin() as tx:
        assert tx.shards.reap() == [divided.id]

    again, second = take(store)
    assert (second.index, second.attempt) == (task.index, 2)
    assert not finish(store, lost)
    assert finish(store, again)
    assert [shard.attempt for shard in shards(store, divided)] == [1, 2, 0, 0]


def test_a_shard_that_kills_its_workers_fails_the_job(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store), max_attempts=2)
    divide(store, job, 3)
    assert finish(store, take(store)[0])
    for _ in range(2):
        claimed, task = take(store)
        with store.begin() as tx:
            assert tx.shards.release(task.id, claimed.lease_token, GONE, count_attempt=True)

    failed = current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error == GONE
    assert statuses(store, job) == [
        ShardStatus.DONE,
        ShardStatus.FAILED,
        ShardStatus.CANCELED,
        ShardStatus.CANCELED,
    ]


def test_a_drained_worker_gives_its_shard_back_uncounted(store: Store, divided: Job) -> None:
    claimed, task = take(store)
    with store.begin() as tx:
        assert tx.shards.release(task.id, claimed.lease_token, GONE, count_attempt=False)

    assert shards(store, divided)[0].attempt == 0
    assert take(store)[1].index == 0


def test_the_failure_of_a_shard_is_the_jobs(store: Store, divided: Job) -> None:
    (other, _), (claimed, task) = take(store), take(store)
    with store.begin() as tx:
        assert tx.shards.fail(task.id, claimed.lease_token, BROKEN)

    assert current(store, divided).error == BROKEN
    assert not finish(store, other)
    with store.read() as tx:
        assert tx.shards.lease_state(task.id, claimed.lease_token) is LeaseState.LOST


def test_cancel_waits_for_those_who_build(store: Store, divided: Job) -> None:
    held = [take(store) for _ in range(2)]
    with store.begin() as tx:
        tx.jobs.cancel(divided.tenant_id, divided.id, "enough")

    assert status(store, divided) is JobStatus.CANCELING
    assert nothing_to_take(store)
    with store.begin() as tx:
        heard = {tx.shards.heartbeat(task.id, held.lease_token, 60, None) for held, task in held}
    assert heard == {LeaseState.CANCEL_REQUESTED}
    for claimed, task in held:
        assert status(store, divided) is JobStatus.CANCELING
        with store.begin() as tx:
            assert tx.shards.cancel_running(task.id, claimed.lease_token)
    assert status(store, divided) is JobStatus.CANCELED
    assert set(statuses(store, divided)) == {ShardStatus.CANCELED}


def test_cancel_does_not_wait_for_the_dead(store: Store, divided: Job) -> None:
    take(store, seconds=-1)
    with store.begin() as tx:
        tx.jobs.cancel(divided.tenant_id, divided.id)
    with store.begin() as tx:
        tx.shards.reap()

    assert status(store, divided) is JobStatus.CANCELED


def test_cancel_between_shards_is_at_once(store: Store, divided: Job) -> None:
    assert finish(store, take(store)[0])
    with store.begin() as tx:
        canceled = tx.jobs.cancel(divided.tenant_id, divided.id)

    assert canceled.status is JobStatus.CANCELED


def test_a_merge_tells_its_progress_and_builders_do_not(store: Store, divided: Job) -> None:
    claimed, task = take(store)
    with store.begin() as tx:
        tx.shards.heartbeat(task.id, claimed.lease_token, 60, Progress.at("construct", 1, 2))
    assert current(store, divided).progress.stage == "shards"
    assert finish(store, claimed)
    finish_all(store, 2)
    claimed, merge = take(store)
    with store.begin() as tx:
        tx.shards.heartbeat(merge.id, claimed.lease_token, 60, Progress.at("verify", 0, 1))

    assert current(store, divided).progress.stage == "verify"
    with store.read() as tx:
        told = [event.data.get("stage") for event in tx.events.list(divided.id)]
    assert [stage for stage in told if stage] == ["shards", "verify"]


def test_tenants_take_turns_between_shards(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store))
    divide(store, job, 3)
    take(store)
    other = submit(store, *ready_checkpoint(store, "other", "b"))

    assert nothing_to_take(store)
    assert claim(store).job.id == other.id
    assert take(store)[0].job.id == job.id


def test_an_older_divided_job_goes_before_the_tenants_newer_ones(store: Store) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    divide(store, submit(store, tenant_id, checkpoint_id), 2)
    newer = submit(store, tenant_id, checkpoint_id)

    take(store)
    take(store)
    assert nothing_to_take(store)
    assert claim(store).job.id == newer.id


def test_priority_goes_before_shards(store: Store) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    divide(store, submit(store, tenant_id, checkpoint_id), 2)
    request = JobRequest(JobKind.CONSTRUCT, {}, checkpoint_id, priority=1)
    with store.begin() as tx:
        urgent = tx.jobs.add(tenant_id, request)

    assert nothing_to_take(store)
    with store.begin() as tx:
        first = tx.shards.claim("worker", 60, even_before_jobs=True)
    assert first is not None
    assert claim(store).job.id == urgent.id


def test_shards_count_as_running_jobs_of_their_tenant(store: Store, divided: Job) -> None:
    with store.begin() as tx:
        tx.quotas.set_limits(divided.tenant_id, {"running_jobs": 2})
    first, _ = take(store)
    take(store)

    assert nothing_to_take(store)
    assert finish(store, first)
    take(store)


def test_many_processes_build_each_shard_once_and_one_merges(
    store: Store, database_url: str
) -> None:
    divide(store, submit(store, *ready_checkpoint(store)), 30)
    command = [sys.executable, str(WORKER), database_url]

    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    lines = [line for worker in workers for line in worker.communicate(timeout=90)[0].splitlines()]

    assert [worker.returncode for worker in workers] == [0] * 4
    assert sorted(line for line in lines if not line.startswith("merge")) == sorted(
        map(str, range(30))
    )
    assert [line for line in lines if line.startswith("merge")] == ["merge 30"]


def test_forgotten_shards_are_announced_again(store: Store, divided: Job) -> None:
    with store.read() as tx:
        assert tx.shards.waiting(-1, JobDevice.CPU)
        assert not tx.shards.waiting(60, JobDevice.CPU)


def test_a_deleted_job_leaves_no_shards(store: Store, divided: Job) -> None:
    with store.begin() as tx:
        tx.jobs.cancel(divided.tenant_id, divided.id)
    with store.begin() as tx:
        tx.jobs.delete(divided.tenant_id, divided.id)

    assert shards(store, divided) == []
