"""The API as a process of its own, which a test may kill and start again at the same address."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from service.settings import Settings
from service.store import open_store
from tests.waiting import wait_until


class ApiProcess:
    """One uvicorn process over a migrated database."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self.key = _make_key(settings)
        self._log = log
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._port = int(server.getsockname()[1])
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        application = "service.api.application:create_app_from_environment"
        command = ["-m", "worker.attachment", str(os.getpid()), "uvicorn", "--factory", application]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, *command, "--port", str(self._port)],
                env=os.environ | self.settings.to_environment(),
                stdout=output,
                stderr=output,
            )
        wait_until(self._answers, 60, f"the API answers, see {self._log}")

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def api_process(settings: Settings, log: Path) -> Iterator[ApiProcess]:
    """Serve the API from a process until the end of the block."""
    process = ApiProcess(settings, log)
    process.start()
    try:
        yield process
    finally:
        process.kill()


def _make_key(settings: Settings) -> str:
    store = open_store(settings.database_url)
    with store.begin() as tx:
        key = tx.keys.add(tx.keys.ensure_tenant(secrets.token_hex(8)), "test")[1]
    store.dispose()
    return key
