"""One large job over several worker processes: who does what, and who dies, changes nothing.

`make large-job` does the same with a target of 10 million parameters.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.targets import draw_network
from ltengine.checkpoint.safetensors_file import write_network
from ltengine.pipeline import PipelineRequest, run_pipeline
from ltengine.specification import parse_specification
from service.store import open_store
from tests.journeys.customer import Customer
from tests.journeys.stacks import Production, attached, production
from tests.journeys.test_journeys import SPEC as ORDINARY_SPEC
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

# A tenth of a second and more for each shard: time enough to kill who builds it.
SPEC = ORDINARY_SPEC | {
    "construction": "2L",
    "base_set": {"size": 24},
    "tolerance": {"parameter": 3e-6},
}
DIVIDED = {
    "LTFORGE_DIVIDED_JOB_PROBLEMS": "10000",
    "LTFORGE_SHARD_PROBLEMS": "4000",
}
PARAMETERS = int(os.environ.get("LTFORGE_LARGE_JOB_PARAMETERS", "0"))
"""Of a drawn target, with the service's own division; 0: a small one, divided finely."""
SECONDS = 120 if PARAMETERS == 0 else 900
TASKS = {"build", "verify", "bound", "pass_on", "search"}


@contextmanager
def more_workers(stack: Production, count: int) -> Iterator[set[int]]:
    """So many worker processes beside the stack's own: their ids."""
    with stack.log.open("a") as log:
        workers = [
            subprocess.Popen(
                attached("worker.celery_app"), env=stack.environment, stdout=log, stderr=log
            )
            for _ in range(count)
        ]
    try:
        wait_until(lambda: living_workers(stack) > count, 60, "the workers are there")
        yield {worker.pid for worker in workers}
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(timeout=60)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def living_workers(stack: Production) -> int:
    store = open_store(stack.environment["LTFORGE_DATABASE_URL"])
    with store.read() as tx:
        count = len(tx.workers.alive())
    store.dispose()
    return count


def shards_of(customer: Customer, job: dict[str, Any]) -> list[dict[str, Any]]:
    page = customer.http.get(f"/v1/jobs/{job['id']}/shards").raise_for_status().json()
    assert page["next_after"] is None
    return list(page["data"])


def kill_a_builder(customer: Customer, job: dict[str, Any], workers: set[int]) -> None:
    """Kill one of these workers in the middle of a shard, when others are done."""

    victims: set[int] = set()

    def building() -> bool:
        running = [shard for shard in shards_of(customer, job) if shard["status"] == "running"]
        victims.update({int(shard["worker"].rpartition(":")[2]) for shard in running} & workers)
        return bool(victims)

    wait_until(lambda: customer.job(job)["shards"], SECONDS, "the job is divided")
    wait_until(lambda: customer.job(job)["shards"]["done"], 60, "a shard is done")
    wait_until(building, 60, "one of the workers builds a shard")
    os.kill(victims.pop(), signal.SIGKILL)


@pytest.fixture
def divided_target(
    tmp_path: Path, large_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, dict[str, Any]]:
    """A checkpoint and the spec of its construction, which workers of one thread divide."""
    monkeypatch.setenv("LTFORGE_RUNNER_THREADS", "1")
    if PARAMETERS:
        checkpoint = tmp_path / "drawn"
        write_network(draw_network(PARAMETERS), checkpoint, "relu")
        return checkpoint, ORDINARY_SPEC | {"input": {"low": 0.0, "high": 1.0}}
    for name, value in DIVIDED.items():
        monkeypatch.setenv(name, value)
    return large_checkpoint, SPEC


@pytest.mark.timeout(300 if PARAMETERS == 0 else 3600)
def test_one_two_and_four_workers_make_the_same_ticket_and_one_may_be_killed(
    tmp_path: Path, divided_target: tuple[Path, dict[str, Any]]
) -> None:
    checkpoint, spec = divided_target
    whole = run_pipeline(
        PipelineRequest(checkpoint, parse_specification(spec), tmp_path / "whole"),
        clock=time.perf_counter,
    )

    with production(tmp_path) as stack:
        customer = Customer(stack.url, stack.key)
        for others in (0, 1, 3):
            with more_workers(stack, others) as workers:
                job = customer.submit(checkpoint, spec)
                if others == 3:
                    kill_a_builder(customer, job, workers)
                done = customer.finished(job, SECONDS)

            assert done["status"] == "succeeded", done
            assert done["metrics"]["ticket"]["digest"] == whole["ticket"]["digest"]
            assert done["metrics"]["problems"] == whole["problems"]
            shards = shards_of(customer, job)
            assert {shard["status"] for shard in shards} == {"done"}
            parts = [shard for shard in shards if shard["kind"] not in {"merge", "conclude"}]
            assert {shard["report"]["task"] for shard in parts} == TASKS
            assert done["shards"] == {"done": len(parts), "total": len(parts)}
            assert done["metrics"]["error"]["certified"] == pytest.approx(
                whole["error"]["certified"]
            )
            repeated = [shard["attempt"] - 1 for shard in shards]
            assert sum(repeated) <= (1 if others == 3 else 0)
            seconds = moment(done["finished_at"]) - moment(done["started_at"])
            print(f"{others + 1} workers: {seconds.total_seconds():.1f} s, {len(shards)} shards")
        customer.close()
