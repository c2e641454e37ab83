"""Shards under way, with real processes and databases: first without, then with the engine."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ltengine.checkpoint.safetensors_file import write_network
from ltengine.errors import UnsolvedProblemsError
from ltengine.network import Network
from ltengine.pipeline import PipelineRequest, run_pipeline
from ltengine.specification import parse_specification
from service.domain import (
    MERGES,
    Job,
    JobKind,
    JobRequest,
    JobStatus,
    PlannedShards,
    Shard,
    ShardKind,
    ShardStatus,
)
from service.settings import Settings
from service.store import Store
from service.store.blobs import LocalBlobStore
from tests.engine.networks import random_network
from tests.journeys.process_table import child_running
from tests.waiting import wait_until
from worker.execution import work_one_job
from worker.runner_process import RunnerProcess
from worker.workplace import Workplace, open_workplace

Submit = Callable[..., Job]
NETWORK = random_network([40, 30, 20, 5], seed=6)
SPEC: dict[str, Any] = {
    "construction": "L+1",
    "activation": {"name": "relu"},
    "input": {"low": 0.0, "high": 1.0},
    "device": "cpu",
}


# The store's part is tested on both databases; this is about the engine's.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def current(store: Store, job: Job) -> Job:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id)


def shards(store: Store, job: Job) -> list[Shard]:
    with store.read() as tx:
        return tx.shards.list(job.id, 1000)


def divide(store: Store, job: Job, count: int = 2) -> None:
    """Divide a job by hand, for runners that compute nothing."""
    documents = tuple(
        (ShardKind.BUILD, {"layer": 2, "first": n, "last": n + 1}) for n in range(count)
    )
    with store.begin() as tx:
        claimed = tx.jobs.claim("planner", 60)
        assert claimed is not None
        assert tx.shards.plan(job.id, claimed.lease_token, PlannedShards(documents, 0))


@contextmanager
def working(workplace: Workplace) -> Iterator[None]:
    thread = threading.Thread(target=work_one_job, args=(workplace,))
    thread.start()
    yield
    thread.join(timeout=30)
    assert not thread.is_alive()


def building(store: Store, job: Job) -> bool:
    return any(shard.status is ShardStatus.RUNNING for shard in shards(store, job))


def test_shards_are_built_and_merged_as_jobs_are(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("succeed")
    divide(store, job)

    assert [work_one_job(workplace) for _ in range(4)] == [True, True, True, False]

    done = current(store, job)
    assert (done.status, done.attempt) == (JobStatus.SUCCEEDED, 1)
    assert done.ticket_id is not None
    with store.read() as tx:
        assert b"shard 1: attempt 1 of 3 started" in tx.logs.read(job.id)


def test_a_runner_that_dies_costs_an_attempt_of_its_shard(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("die")
    divide(store, job)
    work_one_job(workplace)

    assert shards(store, job)[0].attempt == 1
    for _ in range(2):
        work_one_job(workplace)
    failed = current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "RUNNER_DIED"


def test_a_stopping_worker_gives_its_shard_back(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("stubborn")
    divide(store, job)
    with working(workplace):
        wait_until(lambda: building(store, job))
        workplace.stopping.set()

    assert [shard.status for shard in shards(store, job)] == [ShardStatus.WAITING] * 3
    assert shards(store, job)[0].attempt == 0


def test_a_canceled_job_stops_its_builders(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("hang")
    divide(store, job)
    with working(workplace):
        wait_until(lambda: building(store, job))
        with store.begin() as tx:
            tx.jobs.cancel(job.tenant_id, job.id)

    assert current(store, job).status is JobStatus.CANCELED


def test_the_time_of_a_job_is_that_of_all_its_shards(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("stubborn", timeout_s=0.5)
    divide(store, job)
    work_one_job(workplace)

    failed = current(store, job)
    assert failed.error is not None
    assert failed.error.code == "JOB_TIMEOUT"


@pytest.fixture
def divided_settings(settings: Settings) -> Settings:
    small = {"divided_job_problems": 1, "shard_problems": 5000, "runner_jobs": 50}
    return settings.model_copy(update=small)


@pytest.fixture
def submit_network(store: Store, divided_settings: Settings, tmp_path: Path) -> Submit:
    """Submit a construction of a network."""

    def submit_one(network: Network, spec: dict[str, Any]) -> Job:
        file = tmp_path / "network"
        write_network(network, file, "relu")
        staged = LocalBlobStore(divided_settings.blobs).stage()
        staged.write(file.read_bytes())
        digest, size = staged.commit()
        staged.discard()
        with store.begin() as tx:
            tenant_id = tx.keys.ensure_default_tenant()
            checkpoint = tx.checkpoints.add(tenant_id, "net", digest, size)
            task = tx.checkpoints.claim_validation("validator", 60)
            assert task is not None
            tx.checkpoints.accept(task.id, task.lease_token, digest, {})
            return tx.jobs.add(tenant_id, JobRequest(JobKind.CONSTRUCT, spec, checkpoint.id))

    return submit_one


@contextmanager
def workers(settings: Settings, count: int) -> Iterator[None]:
    """So many workers that take whatever there is until the block ends."""
    ended = threading.Event()
    with ExitStack() as stack:
        places = []
        for _ in range(count):
            places.append(open_workplace(settings, RunnerProcess))
            stack.callback(places[-1].close)

        def work(workplace: Workplace) -> None:
            while not ended.is_set():
                if not work_one_job(workplace):
                    ended.wait(0.05)

        threads = [threading.Thread(target=work, args=(place,)) for place in places]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            ended.set()
            for thread in threads:
                thread.join(timeout=60)


def whole(tmp_path: Path, spec: dict[str, Any]) -> dict[str, Any]:
    """The report of the undivided construction."""
    ticks = itertools.count()
    request = PipelineRequest(
        tmp_path / "network", parse_specification(spec), tmp_path / "whole", threads=1
    )
    return run_pipeline(request, clock=lambda: float(next(ticks)))


@on_sqlite
def test_a_killed_builder_is_replaced_and_the_ticket_is_that_of_the_whole(
    divided_settings: Settings, store: Store, submit_network: Submit, tmp_path: Path
) -> None:
    job = submit_network(NETWORK, SPEC)
    with workers(divided_settings, 1):
        wait_until(lambda: building(store, job), 60)
        runner = child_running(os.getpid(), "worker.runner")
        assert runner is not None
        os.kill(runner, signal.SIGKILL)
        wait_until(lambda: current(store, job).status.terminal, 120)

    done = current(store, job)
    assert done.status is JobStatus.SUCCEEDED, done.error
    assert done.report is not None
    expected = whole(tmp_path, SPEC)
    for part in ("ticket", "problems", "subset_size", "source"):
        assert done.report[part] == expected[part], part
    assert done.report["error"]["histogram"] == expected["error"]["histogram"]
    assert done.report["error"]["certified"] == pytest.approx(expected["error"]["certified"])
    made = [shard for shard in shards(store, job) if shard.kind not in MERGES]
    built = [shard for shard in made if shard.kind is ShardKind.BUILD]
    assert len({shard.layer for shard in built}) == 3
    assert {shard.report["task"] for shard in made if shard.report} == {
        "build",
        "verify",
        "bound",
        "pass_on",
        "search",
    }
    assert sum(shard.attempt - 1 for shard in shards(store, job)) <= 1
    assert done.shards is not None
    assert done.shards.done == len(made) > len(built) > 5


@on_sqlite
def test_unsolved_problems_fail_the_job_in_the_words_of_the_whole(
    divided_settings: Settings, store: Store, submit_network: Submit, tmp_path: Path
) -> None:
    hopeless = SPEC | {
        "base_set": {"size": 2, "largest_subset": 1},
        "tolerance": {"parameter": 1e-4},
    }
    job = submit_network(random_network([6, 5, 3], seed=6), hopeless)
    with workers(divided_settings, 1):
        wait_until(lambda: current(store, job).status.terminal, 120)

    failed = current(store, job)
    assert failed.error is not None
    with pytest.raises(UnsolvedProblemsError) as expected:
        whole(tmp_path, hopeless)
    assert (failed.error.code, failed.error.detail) == (
        "UNSOLVED_PROBLEMS",
        expected.value.detail,
    )
