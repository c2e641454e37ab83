"""The two forms in which the product runs, each as real processes that a test may kill."""

from __future__ import annotations

import os
import random
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import httpx
import redis

from service.store import open_store
from service.store.schema import upgrade
from tests.conftest import redis_server, temporary_database
from tests.journeys.process_table import child_running
from tests.rabbitmq import temporary_vhost
from tests.waiting import wait_until

Broker = Callable[[], AbstractContextManager[str]]
"""What makes a broker of a stack's own, and yields its URL."""

# Short enough to watch a recovery, long enough for a busy machine.
SHORT_TIMES = {
    "LTFORGE_LEASE_SECONDS": "5",
    "LTFORGE_HEARTBEAT_SECONDS": "0.5",
    "LTFORGE_PROGRESS_SECONDS": "0.2",
    "LTFORGE_HOUSEKEEPING_SECONDS": "0.2",
    "LTFORGE_REWAKE_SECONDS": "2",
}


class Stack(Protocol):
    """A running product."""

    url: str
    key: str

    def worker(self) -> int | None:
        """The process id of the Celery worker."""

    def kill_worker(self) -> None:
        """Kill the Celery worker with SIGKILL; as in its real surroundings, another one starts."""


def runner(stack: Stack) -> int | None:
    """The process id of the worker's runner."""
    worker = stack.worker()
    return None if worker is None else child_running(worker, "worker.runner")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def attached(*arguments: str) -> list[str]:
    """A module to run that dies with the tests, however they end."""
    return [sys.executable, "-m", "worker.attachment", str(os.getpid()), *arguments]


def wait_until_ready(url: str) -> None:
    def ready() -> bool:
        try:
            return httpx.get(f"{url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(ready, 60, f"{url} is ready")


def stop(process: subprocess.Popen[str], seconds: float = 30) -> int:
    process.terminate()
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@dataclass
class Embedded:
    """`ltforge serve`: SQLite, filesystem broker, one supervisor."""

    url: str
    key: str
    supervisor: int

    def worker(self) -> int | None:
        return child_running(self.supervisor, "worker.celery_app")

    def kill_worker(self) -> None:
        worker = self.worker()
        assert worker is not None
        os.kill(worker, signal.SIGKILL)


@contextmanager
def embedded(folder: Path, key: str | None = None, expected_status: int = 0) -> Iterator[Embedded]:
    """Serve from a data folder; a fresh one, where no key is given."""
    port = free_port()
    command = attached("ltforge", "serve", "--port", str(port), "--data", str(folder / "data"))
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            command, env=os.environ | SHORT_TIMES, stdout=subprocess.PIPE, stderr=log, text=True
        )
        with process:
            try:
                assert process.stdout is not None
                key = key or process.stdout.readline().rpartition(" ")[2].strip()
                url = process.stdout.readline().rpartition(" ")[2].strip()
                assert url == f"http://127.0.0.1:{port}", (folder / "log").read_text()
                wait_until_ready(url)
                yield Embedded(url, key, process.pid)
            except BaseException:
                process.kill()
                raise
            assert stop(process) == expected_status


@dataclass
class Production:
    """PostgreSQL, a broker, and the API, the worker and the housekeeper on their own."""

    url: str
    key: str
    environment: dict[str, str]
    log: Path
    processes: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    commands: list[tuple[str, ...]] = field(default_factory=list)

    def start(self, *arguments: str) -> None:
        """Start a part of the product."""
        if arguments not in self.commands:
            self.commands.append(arguments)
        with self.log.open("a") as log:
            self.processes[arguments[0]] = subprocess.Popen(
                attached(*arguments), env=self.environment, stdout=log, stderr=log, text=True
            )

    def worker(self) -> int | None:
        return self.processes["worker.celery_app"].pid

    def kill_worker(self) -> None:
        worker = self.processes["worker.celery_app"]
        worker.kill()
        worker.wait()
        self.start("worker.celery_app")


@contextmanager
def production(
    folder: Path, broker: Broker | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[Production]:
    """Run the parts over a fresh database and a broker of our own: Redis, where none is given."""
    port = free_port()
    with (
        contextmanager(temporary_database)() as database_url,
        (broker or temporary_redis)() as broker_url,
    ):
        upgrade(database_url)
        environment = os.environ | SHORT_TIMES | dict(settings or {})
        environment |= {
            "LTFORGE_DATA": str(folder / "data"),
            "LTFORGE_DATABASE_URL": database_url,
            "LTFORGE_BROKER_URL": broker_url,
        }
        key = _make_key(database_url)
        stack = Production(f"http://127.0.0.1:{port}", key, environment, folder / "log")
        api = "service.api.application:create_app_from_environment"
        stack.start("uvicorn", api, "--factory", "--port", str(port))
        stack.start("worker.celery_app")
        stack.start("worker.housekeeper")
        wait_until_ready(stack.url)
        yield stack
        statuses = {name: stop(process) for name, process in stack.processes.items()}
        # uvicorn finishes its requests and then ends by the very signal that stopped it.
        assert set(statuses.values()) <= {0, -signal.SIGTERM}, statuses


@contextmanager
def production_on_rabbitmq(folder: Path) -> Iterator[Production]:
    """The same over RabbitMQ, with the queues of a cluster."""
    with production(folder, temporary_vhost, {"LTFORGE_BROKER_QUEUE_TYPE": "quorum"}) as running:
        yield running


@contextmanager
def temporary_redis() -> Iterator[str]:
    """A numbered database of the Redis server, emptied before and after."""
    url = f"{redis_server().rpartition('/')[0]}/{random.SystemRandom().randint(1, 15)}"
    client = redis.Redis.from_url(url)
    client.flushdb()
    yield url
    client.flushdb()
    client.close()


def _make_key(database_url: str) -> str:
    store = open_store(database_url)
    with store.begin() as tx:
        _, text = tx.keys.add(tx.keys.ensure_default_tenant(), secrets.token_hex(4))
    store.dispose()
    return text
