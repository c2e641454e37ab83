"""The queue under way: PostgreSQL, Redis, API, housekeeper and two workers on one machine.

`python -m benchmarks.queue` prints one JSON object: how long a job waits from its submission to its
start while workers are warm and idle, what the service adds to the engine's own time, how many
LeNet 2L jobs a second two workers sustain, and how a crowd of small jobs drains; `--record` keeps
it for RESULTS.md. Needs the
PostgreSQL and Redis of the tests (`tests/run_services.sh`) and the targets beside the repository.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.records import describe_machine, read_record, write_record
from benchmarks.targets import REAL_TARGETS
from service.domain import JobKind, JobRequest, JobStatus
from service.store import Store, open_store
from tests.journeys.customer import Customer
from tests.journeys.process_table import child_running
from tests.journeys.stacks import Production, production
from tests.waiting import wait_until
from worker.process_memory import group_memory

QUESTION: dict[str, Any] = {"kind": "statistics", "spec": {"candidates": 5, "trials": 10}}
LENET = REAL_TARGETS["lenet-relu 2L"]
WORKERS = ("worker.celery_app", "second")
# As deployed, but for one thread a runner: two workers share two cores.
SETTINGS = {
    "LTFORGE_RUNNER_THREADS": "1",
    "LTFORGE_LEASE_SECONDS": "60",
    "LTFORGE_HEARTBEAT_SECONDS": "10",
    "LTFORGE_PROGRESS_SECONDS": "1",
    "LTFORGE_HOUSEKEEPING_SECONDS": "0.5",
    "LTFORGE_REWAKE_SECONDS": "15",
}


def _seconds(job: dict[str, Any], begin: str, end: str) -> float:
    return (datetime.fromisoformat(job[end]) - datetime.fromisoformat(job[begin])).total_seconds()


def _quantile(found: list[float], part: float) -> float:
    return sorted(found)[min(len(found) - 1, int(part * len(found)))]


def _wait_for(customer: Customer, job: dict[str, Any]) -> dict[str, Any]:
    """The job at its end, asked with little load on the machine that does the work."""
    while not job["terminal"]:
        path = f"/v1/jobs/{job['id']}"
        job = customer.http.get(path, headers={"Prefer": "wait=10"}).raise_for_status().json()
    return job


def _submit(customer: Customer, body: dict[str, Any]) -> dict[str, Any]:
    return dict(customer.http.post("/v1/jobs", json=body).raise_for_status().json())


def _measure_wait(customer: Customer, count: int) -> dict[str, Any]:
    """From submission to start, one job at a time."""
    waits = []
    for _ in range(count):
        job = _wait_for(customer, _submit(customer, QUESTION))
        waits.append(_seconds(job, "created_at", "started_at"))
    return {
        "jobs": count,
        "p50_ms": round(1000 * _quantile(waits, 0.5)),
        "p99_ms": round(1000 * _quantile(waits, 0.99)),
        "max_ms": round(1000 * max(waits)),
    }


def _measure_overhead(customer: Customer, request: dict[str, Any], count: int) -> dict[str, Any]:
    """From submission to end, less what the engine says that it took."""
    over, engine = [], []
    for seed in range(count):
        body = request | {"spec": request["spec"] | {"source": {"seed": 1000 + seed}}}
        job = _wait_for(customer, _submit(customer, body))
        own = job["metrics"]["seconds"]["total"]
        engine.append(own)
        over.append(_seconds(job, "created_at", "finished_at") - own)
    return {
        "jobs": count,
        "engine_p50_s": round(_quantile(engine, 0.5), 3),
        "overhead_p50_s": round(_quantile(over, 0.5), 3),
        "overhead_max_s": round(max(over), 3),
    }


def _measure_rate(customer: Customer, request: dict[str, Any], count: int) -> dict[str, Any]:
    """LeNet 2L jobs without a data set, all queued at once."""
    body = {
        "checkpoint_id": request["checkpoint_id"],
        "spec": request["spec"],
        "sweep": {"source.seed": list(range(count))},
    }
    batch = customer.http.post("/v1/batches", json=body).raise_for_status().json()
    path = f"/v1/jobs?batch_id={batch['id']}&limit=100"

    def jobs() -> list[dict[str, Any]]:
        return list(customer.http.get(path).raise_for_status().json()["data"])

    found = [_wait_for(customer, job) for job in jobs()]
    starts = [datetime.fromisoformat(job["started_at"]) for job in found]
    ends = [datetime.fromisoformat(job["finished_at"]) for job in found]
    seconds = (max(ends) - min(starts)).total_seconds()
    succeeded = sum(job["status"] == "succeeded" for job in found)
    return {"jobs": count, "succeeded": succeeded, "jobs_per_s": round(count / seconds, 2)}


def _measure_drain(stack: Production, store: Store, count: int) -> dict[str, Any]:
    """A crowd of small jobs: the rate of each fifth of it, and what the workers occupy."""
    request = JobRequest(JobKind.STATISTICS, QUESTION["spec"])
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        before = _succeeded(store)
        tx.jobs.add_many(tenant_id, [request] * count, "bat_drain")
    marks, memory = [], []
    for part in range(6):
        goal = before + count * part // 5
        wait_until(lambda goal=goal: _succeeded(store) >= goal, 600, f"{goal} jobs")  # type: ignore[misc]
        marks.append(datetime.now().astimezone())
        memory.append(_memory(stack))
    rates = [count / 5 / (later - sooner).total_seconds() for sooner, later in pairwise(marks)]
    return {
        "jobs": count,
        "jobs_per_s_by_fifths": [round(rate, 1) for rate in rates],
        "megabytes_of_workers": [round(size / 1e6) for size in memory],
    }


def _succeeded(store: Store) -> int:
    with store.read() as tx:
        jobs = tx.census.take(None).jobs
    return sum(count for (_, status), count in jobs.items() if status == JobStatus.SUCCEEDED.value)


def _memory(stack: Production) -> int:
    """Bytes that both workers and their runners occupy."""
    total = 0
    for name in WORKERS:
        worker = stack.processes[name].pid
        runner = child_running(worker, "worker.runner")
        # Workers share our process group; each runner leads one of its own.
        total += int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096
        total += 0 if runner is None else group_memory(runner)
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["wait", "overhead", "rate", "drain"])
    parser.add_argument("--drain", type=int, default=5000)
    parser.add_argument("--record", action="store_true", help="keep the figures for RESULTS.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, production(Path(folder), None, SETTINGS) as stack:
        stack.processes["second"] = stack.processes.pop("worker.celery_app")
        stack.start("worker.celery_app")
        customer = Customer(stack.url, stack.key)
        uploaded = customer.upload("checkpoints", LENET.checkpoint)
        request = {"checkpoint_id": uploaded["id"], "spec": LENET.specification}
        _measure_rate(customer, request, 6)  # both workers warm
        store = open_store(stack.environment["LTFORGE_DATABASE_URL"])
        measure = {
            "wait": lambda: _measure_wait(customer, 200),
            "overhead": lambda: _measure_overhead(customer, request, 20),
            "rate": lambda: _measure_rate(customer, request, 90),
            "drain": lambda: _measure_drain(stack, store, asked.drain),
        }
        found = {}
        for part in asked.parts:
            found[part] = measure[part]()
            print(part, found[part], file=sys.stderr)
        store.dispose()
        customer.close()
    if asked.record:
        before = read_record("recorded_queue") or {}
        write_record("recorded_queue", {**before, "of": describe_machine(), **found})
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
