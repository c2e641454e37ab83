"""Jobs while everything dies: each ends once, and every ticket is the one of an undisturbed run.

`make chaos` runs the long form (LTFORGE_CHAOS_JOBS=300); the suite a short one. The seed,
LTFORGE_CHAOS_SEED, decides the order of disturbances.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from ltengine.pipeline import PipelineRequest, run_pipeline
from ltengine.specification import parse_specification
from ltengine.verification import verify_files
from service.settings import Settings
from service.store import open_store
from service.store.blobs import LocalBlobStore
from service.store.schema import upgrade
from tests.chaos.servers import own_postgres, own_redis
from tests.chaos.storm import ProductionVictim, ServedVictim, Storm, small_disk
from tests.journeys import stacks
from tests.journeys.conftest import network, saved
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

JOBS = int(os.environ.get("LTFORGE_CHAOS_JOBS", "16"))
SEED = int(os.environ.get("LTFORGE_CHAOS_SEED", "1"))
LONG = JOBS > 100
# Long enough between two disturbances for work to get done: a killed runner warms up for seconds.
PAUSE = 4.0 if LONG else 1.0
STORM_SECONDS = 420 if LONG else 60
ROUNDS = 5 if LONG else 1
DRAIN_SECONDS = 150 if LONG else 60
SOURCES = 8
TIMES = {
    "LTFORGE_LEASE_SECONDS": "4",
    "LTFORGE_HEARTBEAT_SECONDS": "0.5",
    "LTFORGE_REWAKE_SECONDS": "1",
    "LTFORGE_BLOB_GRACE_SECONDS": "3",
    "LTFORGE_FREE_DISK_BYTES": "1000000",
    "LTFORGE_MAX_ATTEMPTS": "10",
}


@dataclass
class Field:
    """A product, and how to disturb it."""

    url: str
    key: str
    settings: Settings
    storm: Storm


@contextmanager
def served(folder: Path) -> Iterator[Field]:
    """SQLite and files, under one supervisor, on a small disk."""
    with small_disk(folder / "data") as small, stacks.embedded(folder) as stack:
        settings = Settings(data=folder / "data")
        disk = folder / "data" if small else None
        storm = Storm(
            SEED, ServedVictim(stack.supervisor), settings, (), disk, PAUSE, STORM_SECONDS
        )
        yield Field(stack.url, stack.key, settings, storm)


@contextmanager
def produced(folder: Path) -> Iterator[Field]:
    """PostgreSQL and Redis of our own; the disk of uploads and scratch files is a small one."""
    with ExitStack() as opened:
        postgres = opened.enter_context(own_postgres(folder))
        broker = opened.enter_context(own_redis(folder))
        small = opened.enter_context(small_disk(folder / "data"))
        upgrade(postgres.url)
        port = stacks.free_port()
        settings = Settings(data=folder / "data", database_url=postgres.url, broker_url=broker.url)
        environment = os.environ | settings.to_environment() | stacks.SHORT_TIMES | TIMES
        key = stacks._make_key(postgres.url)
        stack = stacks.Production(f"http://127.0.0.1:{port}", key, environment, folder / "log")
        api = "service.api.application:create_app_from_environment"
        arguments = {
            "uvicorn": ("uvicorn", api, "--factory", "--port", str(port)),
            "worker.celery_app": ("worker.celery_app",),
            "worker.housekeeper": ("worker.housekeeper",),
        }
        for one in arguments.values():
            stack.start(*one)
        stacks.wait_until_ready(stack.url)
        victim = ProductionVictim(stack, arguments)
        disk = folder / "data" if small else None
        storm = Storm(SEED, victim, settings, (postgres, broker), disk, PAUSE, STORM_SECONDS)
        try:
            yield Field(stack.url, key, settings, storm)
        finally:
            for process in stack.processes.values():
                stacks.stop(process)


FORMS: dict[str, Callable[[Path], Any]] = {"embedded": served, "production": produced}


class Stubborn:
    """A client that asks again until it is answered."""

    def __init__(self, field: Field) -> None:
        headers = {"Authorization": f"Bearer {field.key}"}
        self._http = httpx.Client(base_url=field.url, headers=headers, timeout=20)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer: httpx.Response | None = None
        last: object = None

        def answered() -> bool:
            nonlocal answer, last
            try:
                answer = self._http.request(method, path, **more)
                # 409: the first try under this key is still being answered.
                if answer.status_code in {409, 429} or answer.status_code >= 500:
                    last = answer.text
                    return False
                answer.raise_for_status()
            except httpx.TransportError as failure:
                last = failure
                return False
            return True

        try:
            wait_until(answered, 120, f"{method} {path}")
        except AssertionError as late:
            raise AssertionError(f"{late}; the last answer: {last}") from late
        assert answer is not None
        return answer

    def get(self, path: str) -> Any:
        return self.ask("GET", path).json()

    def close(self) -> None:
        self._http.close()

    def submit(self, number: int, checkpoint: str) -> str:
        body = {
            "checkpoint_id": checkpoint,
            "spec": _spec(number % SOURCES),
            "max_attempts": 10,
        }
        key = {"Idempotency-Key": f"chaos-{number}"}
        return str(self.ask("POST", "/v1/jobs", json=body, headers=key).json()["id"])


def _spec(seed: int) -> dict[str, Any]:
    return {
        "construction": "L+1",
        "activation": {"name": "relu"},
        "input": {"mean": 0.0, "std": 1.0, "low": 0.0, "high": 1.0},
        "source": {"seed": seed},
    }


def _undisturbed(checkpoint: Path, folder: Path) -> dict[int, str]:
    """The digest of each source's ticket, constructed here and in peace."""
    digests = {}
    for seed in range(SOURCES):
        report = run_pipeline(
            PipelineRequest(checkpoint, parse_specification(_spec(seed)), folder / f"{seed}"),
            clock=time.perf_counter,
            progress=lambda stage, done, total: None,
            cancel=lambda: False,
        )
        digests[seed] = str(report["ticket"]["digest"])
    return digests


@pytest.mark.parametrize("form", sorted(FORMS))
def test_every_job_ends_once_and_every_ticket_is_the_undisturbed_one(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in TIMES.items():
        monkeypatch.setitem(stacks.SHORT_TIMES, name, value)
    checkpoint = saved(network((12, 8, 3), seed=1), tmp_path / "small")
    peaceful = tmp_path / "peace"
    peaceful.mkdir()
    expected = _undisturbed(checkpoint, peaceful)

    with FORMS[form](tmp_path) as field:
        client = Stubborn(field)
        upload = client.ask("POST", "/v1/checkpoints", content=checkpoint.read_bytes()).json()
        path = f"/v1/checkpoints/{upload['id']}"
        wait_until(lambda: client.get(path)["status"] == "ready", 60, "the checkpoint")
        with ThreadPoolExecutor(1) as pool:
            submitting = pool.submit(_submit_all, field, upload["id"])
            field.storm.rage(submitting.done, ROUNDS)
        jobs = submitting.result()
        _wait_for_the_end(client, jobs)
        _check_jobs(client, jobs, expected)
        _check_files(client, jobs, checkpoint, tmp_path)
        _check_leftovers(field)
        client.close()
        print(form, "disturbances:", dict(Counter(field.storm.done)))


def _submit_all(field: Field, checkpoint: str) -> list[str]:
    """Jobs all through the storm: none is spared the disturbances of some round."""
    client, storm = Stubborn(field), field.storm
    jobs: list[str] = []
    planned = ROUNDS * len(storm.disturbances())
    for number in range(JOBS):
        due = number * planned // JOBS
        wait_until(partial(_has_done, storm, due), STORM_SECONDS, "the storm")
        jobs.append(client.submit(number, checkpoint))
    client.close()
    return jobs


def _has_done(storm: Storm, disturbances: int) -> bool:
    return len(storm.done) >= disturbances


def _wait_for_the_end(client: Stubborn, jobs: list[str]) -> None:
    left = list(jobs)

    def ended() -> bool:
        while left and client.get(f"/v1/jobs/{left[-1]}")["terminal"]:
            left.pop()
        return not left

    wait_until(ended, DRAIN_SECONDS, "every job ends")


def _check_jobs(client: Stubborn, jobs: list[str], expected: dict[int, str]) -> None:
    """One job for each submission, one end for each job, one ticket for each success."""
    assert len(set(jobs)) == len(jobs)
    found = [client.get(f"/v1/jobs/{job}") for job in jobs]
    assert Counter(job["status"] for job in found)["succeeded"] >= 0.9 * len(jobs), found
    for job in found:
        events = client.get(f"/v1/jobs/{job['id']}/events?limit=100")["data"]
        ends = [event["type"] for event in events if event["type"].endswith(_ENDS)]
        assert ends == [f"job.{job['status']}"], events
        if job["status"] == "succeeded":
            seed = job["spec"]["source"]["seed"]
            assert job["metrics"]["ticket"]["digest"] == expected[seed]
        else:
            # What nobody can help: a disk that was full, or ten deaths in a row.
            assert job["error"]["code"], job


_ENDS = ("succeeded", "failed", "canceled", "expired")


def _check_files(client: Stubborn, jobs: list[str], checkpoint: Path, folder: Path) -> None:
    """Each ticket's bytes are those of one that verifies, and no job has two."""
    tickets: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/v1/tickets?limit=100{cursor and f'&cursor={cursor}'}")
        tickets += page["data"]
        cursor = page["next_cursor"]
    owners = [ticket["job_id"] for ticket in tickets]
    assert len(set(owners)) == len(owners)
    assert set(owners) <= set(jobs)
    verified: set[str] = set()
    for ticket in tickets:
        content = client.ask("GET", f"/v1/tickets/{ticket['id']}/mask").content
        digest = hashlib.sha256(content).hexdigest()
        if digest not in verified:
            file = folder / digest
            file.write_bytes(content)
            assert verify_files(file, checkpoint).valid
            verified.add(digest)
    assert len(verified) <= SOURCES


def _check_leftovers(field: Field) -> None:
    """No lease is held, and every blob belongs to a row once garbage is collected."""
    store = open_store(field.settings.database_url)
    blobs = LocalBlobStore(field.settings.blobs)

    def orphans() -> set[str]:
        stored = blobs.older_than(0.0)
        with store.read() as tx:
            return set(stored) - set(tx.checkpoints.referenced(stored))

    wait_until(lambda: not orphans(), 30, "orphans are collected")
    with store.read() as tx:
        assert tx.jobs.lease_tokens() == set()
        assert tx.checkpoints.lease_tokens() == set()
    store.dispose()
