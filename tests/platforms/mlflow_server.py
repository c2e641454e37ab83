"""A real MLflow tracking server in a process of its own: SQLite behind, artifacts through it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.journeys.stacks import free_port
from tests.waiting import wait_until

# Jobs of its own would need a queue; its usage reports, a network.
_ALONE = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@contextmanager
def mlflow_server(folder: Path, port: int | None = None) -> Iterator[str]:
    """Serve what lies in the folder; the server's URL."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    backend = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.sqlite"]
    artifacts = ["--artifacts-destination", str(folder / "artifacts")]
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    attached = [sys.executable, "-m", "worker.attachment", str(os.getpid())]
    with (folder / "log").open("a") as log:
        process = subprocess.Popen(
            [*attached, "mlflow", "server", *backend, *artifacts, *where],
            env=os.environ | _ALONE,
            stdout=log,
            stderr=log,
            # Its own workers go with it.
            start_new_session=True,
        )
    try:
        wait_until(lambda: _answers(url), 120, f"{url} answers")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False
