"""The real API as a process that a test may kill with SIGKILL and start again at its address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from service.store import Store, open_store
from service.store.schema import upgrade
from tests.waiting import wait_until


class KillableServer:
    """An API process over SQLite; ``store`` lets a test do what a worker would do."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self._port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self.folder = folder
        self._log = folder / "log"
        self._environment = os.environ | {"LTFORGE_DATA": str(folder / "data")}
        database = f"sqlite:///{folder / 'data'}/ltforge.sqlite"
        (folder / "data").mkdir()
        upgrade(database)
        self.store: Store = open_store(database)
        with self.store.begin() as tx:
            self.tenant_id = tx.keys.ensure_default_tenant()
            self.api_key = tx.keys.add(self.tenant_id, "test")[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        api = "service.api.application:create_app_from_environment"
        command = ["uvicorn", api, "--factory", "--port", str(self._port), "--log-level", "warning"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "worker.attachment", str(os.getpid()), *command],
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 120, f"the API answers; {self._log}")

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """Kill it with SIGKILL, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def kill_and_restart(self) -> None:
        """A crash, and what a supervisor does about it."""
        self.kill()
        self.start()

    def accept_checkpoint(self) -> None:
        """Do what the validating worker does with a good file."""
        with self.store.begin() as tx:
            task = tx.checkpoints.claim_validation("test", 60)
            assert task is not None
            assert tx.checkpoints.accept(task.id, task.lease_token, task.sha256, {})

    def begin_job(self) -> Any:
        """Do what a worker does when it takes the next job; the claim."""
        with self.store.begin() as tx:
            claimed = tx.jobs.claim("test", 600)
        assert claimed is not None
        return claimed

    def finish_job(self, claimed: Any, report: dict[str, Any]) -> None:
        """Do what a worker does with a job whose result is its report alone."""
        with self.store.begin() as tx:
            assert tx.jobs.succeed(claimed.job.id, claimed.lease_token, None, report)


@contextmanager
def killable_server(folder: Path) -> Iterator[KillableServer]:
    """A started server, gone at the end."""
    server = KillableServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
        server.store.dispose()
