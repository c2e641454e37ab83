"""Each row of the crash table: where something dies, and what saves the work.

Processes are real and die of SIGKILL at the named point (`dying`). That finished shards survive and
that a rerun gives the same ticket is proved with the engine, in tests/journeys and tests/engine.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import service.store
from service.domain import Job, JobKind, JobStatus, Problem
from service.queue import MemoryQueue
from service.settings import Settings
from service.store import Store
from service.store.blobs import LocalBlobStore
from tests.service.test_store_jobs import CLAIMER
from tests.waiting import wait_until
from worker.execution import work_one_job
from worker.housekeeper import Housekeeper
from worker.workplace import Workplace

pytestmark = pytest.mark.slow

Submit = Callable[..., Job]
GONE = Problem("GONE", "gone")


def kill_at(point: str, settings: Settings) -> None:
    """Run a part of the service until it is killed at the point."""
    command = [sys.executable, "-m", "tests.chaos.dying", point, settings.database_url]
    ended = subprocess.run(
        [*command, str(settings.data)], check=False, capture_output=True, text=True
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def current(store: Store, job: Job) -> Job:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id)


def only_job(store: Store) -> Job:
    with store.begin() as tx:
        (job,) = tx.jobs.list(tx.keys.ensure_default_tenant(), 10)
    return job


def keep_house(settings: Settings, store: Store, now: float = 0.0) -> list[str]:
    """One round of a housekeeper; the wake-ups it sent."""
    queue = MemoryQueue()
    assert Housekeeper(settings, store, queue, "keeper").round(now)
    return list(queue.woken)


def lose_lease(store: Store, job: Job) -> None:
    """Let the lease of a running job end now."""
    with store.begin() as tx:
        (token,) = tx.jobs.lease_tokens()
        tx.jobs.heartbeat(job.id, token, -1, None)


def calm(settings: Settings) -> Settings:
    """Settings under which nothing is announced again."""
    return settings.model_copy(update={"rewake_seconds": 3600.0})


def test_the_api_dies_after_commit_before_publishing(
    settings: Settings, workplace: Workplace, store: Store
) -> None:
    kill_at("api_after_commit", settings)

    assert "cpu" in keep_house(calm(settings), store)
    assert work_one_job(workplace)
    assert only_job(store).status is JobStatus.SUCCEEDED


def test_the_relay_dies_after_publishing_before_marking(
    settings: Settings, workplace: Workplace, store: Store, submit: Submit
) -> None:
    with store.begin() as tx:
        tx.outbox.mark_sent([message.id for message in tx.outbox.pending(10)])
    job = submit("succeed")

    kill_at("relay_after_publishing", settings)
    with store.begin() as tx:
        tx.leader.resign("housekeeper", "dying")

    assert (settings.data / "sent").read_text() == "cpu\n"
    assert keep_house(calm(settings), store) == ["cpu"]
    assert [work_one_job(workplace), work_one_job(workplace)] == [True, False]
    assert (current(store, job).status, current(store, job).attempt) == (JobStatus.SUCCEEDED, 1)


def test_the_broker_loses_a_message(settings: Settings, store: Store, submit: Submit) -> None:
    submit("succeed")
    with store.begin() as tx:
        tx.outbox.mark_sent([message.id for message in tx.outbox.pending(10)])

    impatient = settings.model_copy(update={"rewake_seconds": 0.001})
    wait_until(lambda: "cpu" in keep_house(impatient, store), 10, "it is announced again")


def test_two_workers_claim_one_job(settings: Settings, store: Store, submit: Submit) -> None:
    jobs = sorted(submit("succeed").id for _ in range(12))

    claimers = [
        subprocess.Popen(
            [sys.executable, str(CLAIMER), settings.database_url], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    claimed = "".join(claimer.communicate(timeout=60)[0] for claimer in claimers).split()

    assert sorted(claimed) == jobs


def test_a_worker_dies(
    settings: Settings, workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("succeed", max_attempts=2)

    kill_at("worker_after_claiming", settings)

    def recovered() -> bool:
        keep_house(settings, store)
        return current(store, job).status is not JobStatus.RUNNING

    wait_until(recovered, 10, "its lease ends")
    assert (current(store, job).status, current(store, job).attempt) == (JobStatus.QUEUED, 1)

    kill_at("worker_after_claiming", settings)
    wait_until(recovered, 10, "its lease ends")

    failed = current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "WORKER_LOST"


def test_a_runner_dies(workplace: Workplace, store: Store, submit: Submit) -> None:
    job = submit("die", max_attempts=2)

    assert [work_one_job(workplace) for _ in range(3)] == [True, True, False]

    failed = current(store, job)
    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 2)
    assert failed.error is not None
    assert failed.error.code == "RUNNER_DIED"


def test_a_zombie_returns(workplace: Workplace, store: Store, submit: Submit) -> None:
    job = submit("hang")
    attempt = threading.Thread(target=work_one_job, args=(workplace,))
    attempt.start()
    wait_until(lambda: current(store, job).progress.stage == "construct")

    lose_lease(store, job)
    with store.begin() as tx:
        tx.jobs.reap()
        again = tx.jobs.claim("another", 60)
    attempt.join(20)

    assert not attempt.is_alive()
    assert again is not None
    found = current(store, job)
    assert (found.status, found.attempt, found.ticket_id) == (JobStatus.RUNNING, 2, None)
    with store.begin() as tx:
        assert tx.jobs.lease_tokens() == {again.lease_token}
        assert not tx.jobs.fail(job.id, "the zombie's", GONE)


def test_an_upload_dies_between_its_blob_and_its_row(settings: Settings, store: Store) -> None:
    digest = hashlib.sha256(b"an upload").hexdigest()
    blobs = LocalBlobStore(settings.blobs)

    kill_at("upload_between_blob_and_row", settings)
    assert blobs.exists(digest)
    os.utime(blobs.path(digest), (0, 0))
    keep_house(settings, store)

    assert not blobs.exists(digest)


def test_a_job_is_canceled_while_its_worker_is_dead(
    settings: Settings, store: Store, submit: Submit
) -> None:
    job = submit("succeed")
    kill_at("worker_after_claiming", settings)

    with store.begin() as tx:
        assert tx.jobs.cancel(job.tenant_id, job.id).status is JobStatus.CANCELING

    def canceled() -> bool:
        keep_house(settings, store)
        return current(store, job).status is JobStatus.CANCELED

    wait_until(canceled, 10, "the reaper cancels it")


def test_a_queued_job_is_canceled_before_its_message_comes(
    settings: Settings, workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("succeed")

    with store.begin() as tx:
        tx.jobs.cancel(job.tenant_id, job.id)

    assert "cpu" in keep_house(settings, store)
    assert not work_one_job(workplace)
    assert (current(store, job).status, current(store, job).attempt) == (JobStatus.CANCELED, 0)


def test_clocks_of_workers_decide_nothing() -> None:
    """Only the database's time is compared: no module of jobs and leases asks for another."""
    folder = Path(service.store.__file__).parent
    clock = re.compile(r"datetime\.now\(|utcnow\(|time\.time\(")
    files = {file.name for file in folder.rglob("*.py") if clock.search(file.read_text())}

    # Files have their own file system's time, and are compared with that.
    assert files <= {"blobs.py"}


@pytest.mark.parametrize("kind", [JobKind.CONSTRUCT, JobKind.STATISTICS])
def test_a_worker_is_stopped_for_a_deployment(
    workplace: Workplace, store: Store, submit: Submit, kind: JobKind
) -> None:
    job = submit("stubborn", kind=kind)
    attempt = threading.Thread(target=work_one_job, args=(workplace,))
    attempt.start()
    wait_until(lambda: current(store, job).progress.stage == "construct")

    workplace.stopping.set()
    attempt.join(30)

    assert not attempt.is_alive()
    assert (current(store, job).status, current(store, job).attempt) == (JobStatus.QUEUED, 0)


def test_the_leading_housekeeper_dies(settings: Settings, store: Store, submit: Submit) -> None:
    submit("succeed")
    kill_at("leading_housekeeper", settings)
    queue = MemoryQueue()
    second = Housekeeper(settings, store, queue, "second")

    wait_until(lambda: second.round(0.0), 10, "the other one leads")

    assert "cpu" in queue.woken
