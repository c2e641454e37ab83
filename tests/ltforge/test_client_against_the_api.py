"""The client against the real API over a socket, with a test's own hands as the worker."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from ltforge import (
    AuthenticationError,
    Client,
    InvalidRequestError,
    JobCanceledError,
    JobFailedError,
    NotFoundError,
    RetryPolicy,
    TooLargeError,
    UploadRejectedError,
)
from service.api.application import create_app
from service.domain import Problem
from service.settings import Settings
from service.store import Store, open_store
from service.store.schema import upgrade

LARGEST_CHECKPOINT = 3 << 20
SPEC = {"construction": "L+1", "activation": {"name": "relu"}}
CHUNKS = [bytes(range(256)) * 4096, b"the end"]
QUICK = RetryPolicy(attempts=3, first_pause=0.01)


@dataclass(frozen=True)
class Service:
    """A running API, its database, and a tenant with a key."""

    url: str
    store: Store
    tenant_id: str
    api_key: str

    def read_checkpoint(self, rejection: Problem | None = None) -> None:
        """Do what the validating worker would do with the next upload."""
        with self.store.begin() as tx:
            task = tx.checkpoints.claim_validation("test", 60)
            assert task is not None
            if rejection is None:
                tx.checkpoints.accept(task.id, task.lease_token, task.sha256, {"parameters": 7})
            else:
                tx.checkpoints.reject(task.id, task.lease_token, rejection)

    def report_on_next_job(self, report: dict[str, Any]) -> None:
        """Do what a worker would do with a job, once it comes, whose report is its result."""
        deadline = time.monotonic() + 30
        while not self._reported(report):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _reported(self, report: dict[str, Any]) -> bool:
        with self.store.begin() as tx:
            claimed = tx.jobs.claim("test", 60)
            if claimed is None:
                return False
            return tx.jobs.succeed(claimed.job.id, claimed.lease_token, None, report)

    def run_next_job(self, failure: Problem | None = None) -> None:
        """Do what a worker would do with the next job: one ticket, or a failure."""
        with self.store.begin() as tx:
            claimed = tx.jobs.claim("test", 60)
            assert claimed is not None
            job = claimed.job
            if failure is not None:
                assert tx.jobs.fail(job.id, claimed.lease_token, failure)
                return
            assert job.checkpoint_id is not None
            report = {"ticket": {"digest": "d" * 64}}
            ticket = tx.tickets.add(
                self.tenant_id, job.id, job.checkpoint_id, "d" * 64, report, CHUNKS
            )
            assert tx.jobs.succeed(job.id, claimed.lease_token, ticket.id, report)


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Signals belong to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to pytest."""
        yield


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    data = tmp_path / "data"
    settings = Settings(
        data=data,
        database_url=f"sqlite:///{data}/ltforge.sqlite",
        max_checkpoint_bytes=LARGEST_CHECKPOINT,
    )
    upgrade(settings.database_url)
    store = open_store(settings.database_url)
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        _, api_key = tx.keys.add(tenant_id, "test")
    listener = socket.create_server(("127.0.0.1", 0))
    server = _Server(uvicorn.Config(create_app(settings), log_config=None))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < deadline
        assert thread.is_alive()
        time.sleep(0.02)
    try:
        port = listener.getsockname()[1]
        yield Service(f"http://127.0.0.1:{port}", store, tenant_id, api_key)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        store.dispose()


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, service.api_key, timeout=30, retries=QUICK) as connected:
        yield connected


@pytest.fixture
def checkpoint_file(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    path.write_bytes(bytes(range(256)) * 10000)
    return path


def test_a_whole_journey_from_upload_to_ticket(
    service: Service, client: Client, checkpoint_file: Path, tmp_path: Path
) -> None:
    uploaded = client.upload_checkpoint(checkpoint_file, name="my network")
    again = client.upload_checkpoint(checkpoint_file)
    job = client.submit(uploaded, SPEC, labels={"team": "vision"})
    service.read_checkpoint()
    ready = uploaded.wait(timeout=10)
    service.run_next_job()

    done = job.wait(timeout=10)

    assert again.id == uploaded.id
    assert (uploaded.status, ready.status) == ("validating", "ready")
    assert uploaded.name == "my network"
    assert ready.summary == {"parameters": 7}
    assert job.status == "queued"
    assert done.metrics == {"ticket": {"digest": "d" * 64}}
    assert done.labels == {"team": "vision"}
    assert done.progress.fraction == 1.0
    assert done.finished_at is not None
    assert done.ticket_id is not None
    ticket = client.get_ticket(done.ticket_id)
    content = b"".join(CHUNKS)
    assert (ticket.job_id, ticket.bytes) == (job.id, len(content))
    assert ticket.sha256 == hashlib.sha256(content).hexdigest()
    assert client.get_ticket_metrics(ticket) == done.metrics
    assert client.download_mask(ticket, tmp_path / "ticket").read_bytes() == content


def test_estimates_and_statistics_end_with_their_reports(
    service: Service, client: Client, checkpoint_file: Path
) -> None:
    checkpoint = client.upload_checkpoint(checkpoint_file)
    service.read_checkpoint()
    jobs = [
        client.estimate(checkpoint, SPEC, replicates=2),
        client.statistics({"candidates": 9, "target": 0.5}),
    ]
    reports = [{"replicates": 2}, {"failures": 1}]
    for report in reports:
        service.report_on_next_job(report)

    done = [job.wait(timeout=10) for job in jobs]

    assert [job.metrics for job in done] == reports
    assert [(job.kind, job.replicates) for job in done] == [("estimate", 2), ("statistics", None)]
    assert done[1].checkpoint_id is None
    assert done[1].spec["target"] == 0.5
    assert [job.id for job in client.list_jobs(kind="statistics")] == [done[1].id]


def test_a_plan_is_the_answer_or_the_result_of_a_job(
    service: Service, client: Client, checkpoint_file: Path
) -> None:
    checkpoint = client.upload_checkpoint(checkpoint_file)
    service.read_checkpoint()
    plan = {"source": {"widths": [1, 2]}}

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.plan, checkpoint, SPEC)
        service.report_on_next_job(plan)
        assert asked.result() == plan

    # Less patience than a second means: no wait, a job.
    with (
        Client(service.url, service.api_key, timeout=1.5, retries=QUICK) as hasty,
        ThreadPoolExecutor(1) as pool,
    ):
        asked = pool.submit(hasty.plan, checkpoint, SPEC, timeout=20)
        service.report_on_next_job(plan)
        assert asked.result() == plan


def test_a_question_out_of_range_names_its_field(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.statistics({"target": 70})

    assert [item.pointer for item in caught.value.pointers] == ["/spec/target"]


def test_lists_are_walked_to_their_end(client: Client, checkpoint_file: Path) -> None:
    checkpoint = client.upload_checkpoint(checkpoint_file)
    jobs = [client.submit(checkpoint, SPEC) for _ in range(5)]

    listed = [job.id for job in client.list_jobs(status="queued", page_size=2)]

    assert listed == [job.id for job in reversed(jobs)]
    assert checkpoint.id in [item.id for item in client.list_checkpoints(page_size=1)]
    assert {job.cancel().status for job in jobs} == {"canceled"}
    assert list(client.list_jobs(status="queued")) == []
    with pytest.raises(JobCanceledError):
        jobs[0].wait(timeout=10)


def test_a_job_that_failed_says_why(
    service: Service, client: Client, checkpoint_file: Path
) -> None:
    job = client.submit(client.upload_checkpoint(checkpoint_file), SPEC)
    service.read_checkpoint()
    service.run_next_job(failure=Problem("UNSOLVED_PROBLEMS", "raise base_set.size"))

    with pytest.raises(JobFailedError, match=r"UNSOLVED_PROBLEMS: raise base_set\.size"):
        job.wait(timeout=10)


def test_a_rejected_checkpoint_fails_its_upload_and_its_jobs(
    service: Service, client: Client, checkpoint_file: Path
) -> None:
    checkpoint = client.upload_checkpoint(checkpoint_file)
    job = client.submit(checkpoint, SPEC)
    service.read_checkpoint(rejection=Problem("INVALID_CHECKPOINT", "layer 2 holds a NaN"))

    with pytest.raises(UploadRejectedError, match="INVALID_CHECKPOINT: layer 2 holds a NaN"):
        checkpoint.wait(timeout=10)
    with pytest.raises(JobFailedError, match="CHECKPOINT_REJECTED"):
        job.wait(timeout=10)


def test_a_wrong_spec_names_its_fields(client: Client, checkpoint_file: Path) -> None:
    checkpoint = client.upload_checkpoint(checkpoint_file)

    with pytest.raises(InvalidRequestError) as caught:
        client.submit(checkpoint, {"construction": "L+1", "tolerance": {"parameter": 0}})

    assert caught.value.status == 422
    assert "/spec/tolerance/parameter" in [item.pointer for item in caught.value.pointers]
    assert caught.value.request_id


def test_a_file_over_the_limit_is_refused_and_nothing_is_kept(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(LARGEST_CHECKPOINT + 1)

    with pytest.raises(TooLargeError):
        client.upload_checkpoint(path)

    assert "large.safetensors" not in [item.name for item in client.list_checkpoints()]


def test_an_empty_file_is_refused(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "empty.npz"
    path.touch()

    with pytest.raises(InvalidRequestError, match="empty"):
        client.upload_dataset(path)


def test_absent_and_foreign_things_are_not_found(
    service: Service, client: Client, checkpoint_file: Path
) -> None:
    mine = client.submit(client.upload_checkpoint(checkpoint_file), SPEC)
    with service.store.begin() as tx:
        _, other_key = tx.keys.add(tx.keys.ensure_tenant("somebody else"), "other")

    with (
        Client(service.url, other_key, retries=QUICK) as stranger,
        pytest.raises(NotFoundError),
    ):
        stranger.get_job(mine.id)
    with pytest.raises(NotFoundError):
        client.get_ticket("tkt_absent")


def test_an_unknown_key_is_named(service: Service) -> None:
    with (
        Client(service.url, "ltf_nobody_nothing", retries=QUICK) as nobody,
        pytest.raises(AuthenticationError),
    ):
        next(iter(nobody.list_jobs()))
