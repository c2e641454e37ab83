"""The API as clients meet it: the real application behind a real uvicorn socket."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from structlog.testing import capture_logs

from service.api.application import create_app
from service.settings import Settings
from service.store import Store
from tests.waiting import wait_until

SPEC: dict[str, Any] = {"construction": "2L", "activation": {"name": "relu"}}
REPORT: dict[str, Any] = {"problems": {"total": 7, "unsolved": 0}, "device": "cpu"}
LIMIT = 3 << 20


@dataclass(frozen=True)
class RunningApi:
    """A served API with two tenants: `client` is the first one's, `stranger` the second's.

    `logs` holds what was logged so far, one mapping per entry.
    """

    address: tuple[str, int]
    settings: Settings
    store: Store
    key: str
    tenant_id: str
    client: httpx.Client
    stranger: httpx.Client
    logs: list[Any]
    application: FastAPI

    def blob_files(self) -> list[Path]:
        """Every file in the blob folder, staged or kept."""
        return [path for path in self.settings.blobs.rglob("*") if path.is_file()]


@contextmanager
def serve_api(settings: Settings) -> Iterator[RunningApi]:
    """Serve the API from a thread; the database must be migrated."""
    application = create_app(settings)
    store: Store = application.state.parts.store
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_tenant(f"ours {secrets.token_hex(8)}")
        key = tx.keys.add(tenant_id, "test")[1]
        stranger_id = tx.keys.ensure_tenant(f"theirs {secrets.token_hex(8)}")
        stranger_key = tx.keys.add(stranger_id, "test")[1]
    listening = socket.create_server(("127.0.0.1", 0))
    address = listening.getsockname()
    server = uvicorn.Server(
        uvicorn.Config(application, ws="none", log_config=None, access_log=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    wait_until(lambda: server.started)
    url = f"http://{address[0]}:{address[1]}"
    try:
        with (
            capture_logs() as logs,
            _client(url, key) as client,
            _client(url, stranger_key) as stranger,
        ):
            yield RunningApi(
                address, settings, store, key, tenant_id, client, stranger, logs, application
            )
            server.should_exit = True
            thread.join()
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def upload(client: httpx.Client, content: bytes = b"weights", name: str = "net") -> dict[str, Any]:
    """Upload a checkpoint; its resource."""
    answer = client.post("/v1/checkpoints", params={"name": name}, content=content)
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json())


def submit(client: httpx.Client, checkpoint_id: str, **fields: Any) -> dict[str, Any]:
    """Submit a job; its resource."""
    document = {"checkpoint_id": checkpoint_id, "spec": SPEC, **fields}
    answer = client.post("/v1/jobs", json=document)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


def accept_checkpoint(store: Store) -> None:
    """Do what the sandboxed validator does with a good file."""
    with store.begin() as tx:
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        assert tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {"layers": []})


def finish_job(store: Store, chunks: list[bytes]) -> str:
    """Do what the worker does with a job that succeeds; the ticket's id."""
    with store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        job = claimed.job
        assert job.checkpoint_id is not None
        ticket = tx.tickets.add(job.tenant_id, job.id, job.checkpoint_id, "d" * 64, REPORT, chunks)
        assert tx.jobs.succeed(job.id, claimed.lease_token, ticket.id, REPORT)
    return ticket.id


def report_job(store: Store, report: dict[str, Any]) -> str:
    """Do what the worker does with a job whose result is its report alone; the job's id."""
    with store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        assert tx.jobs.succeed(claimed.job.id, claimed.lease_token, None, report)
    return claimed.job.id


def make_ticket(api: RunningApi, chunks: list[bytes], name: str = "net") -> str:
    """A ticket of our tenant with the given file, by way of an upload and a job."""
    checkpoint = upload(api.client, secrets.token_bytes(8), name)
    accept_checkpoint(api.store)
    submit(api.client, checkpoint["id"])
    return finish_job(api.store, chunks)


def _client(url: str, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60, trust_env=False
    )
