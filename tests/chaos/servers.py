"""A PostgreSQL and a Redis of our own, on ports of their own: to be killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from tests.journeys.stacks import free_port
from tests.waiting import wait_until


@dataclass
class OwnServer:
    """A server process that can be killed and started again."""

    url: str
    command: list[str]
    user: str | None
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, user=self.user, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.answers, 30, f"{self.url} answers")

    def kill(self) -> None:
        """End it at once: PostgreSQL by its own signal, or its children would outlive it."""
        assert self.process is not None
        sudden = signal.SIGKILL if self.url.startswith("redis") else signal.SIGQUIT
        self.process.send_signal(sudden)
        self.process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def answers(self) -> bool:
        try:
            if self.url.startswith("redis"):
                client = redis.Redis.from_url(self.url)
                client.ping()
                client.close()
            else:
                psycopg.connect(self.url, connect_timeout=3).close()
        except (psycopg.Error, redis.RedisError):
            return False
        return True


@contextmanager
def own_redis(folder: Path) -> Iterator[OwnServer]:
    """A Redis that keeps nothing: each start is an empty one."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = OwnServer(
        f"redis://127.0.0.1:{port}/0", [*command, "--dir", str(folder)], None, folder / "redis.log"
    )
    with _running(server):
        yield server


@contextmanager
def own_postgres(folder: Path) -> Iterator[OwnServer]:
    """A fresh cluster; servers refuse to run as root, so there it belongs to Debian's user."""
    user = "postgres" if os.geteuid() == 0 else None
    programs = max(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    # Not under pytest's own folder, which it keeps closing to everybody else.
    data, port = Path(tempfile.mkdtemp(prefix="ltforge_chaos_")), free_port()
    if user is not None:
        shutil.chown(data, user)
    subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync"],
        user=user,
        check=True,
        capture_output=True,
    )
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data)]
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    server = OwnServer(url, command, user, folder / "postgres.log")
    try:
        with _running(server):
            yield server
    finally:
        shutil.rmtree(data)


@contextmanager
def _running(server: OwnServer) -> Iterator[None]:
    server.start()
    try:
        yield
    finally:
        server.kill()
