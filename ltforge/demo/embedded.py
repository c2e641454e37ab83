"""The embedded default as a child process that never outlives the demo."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS = 120.0
STOP_SECONDS = 30.0
_PAUSE = 0.1
_LOG_LINES = 30
_KEY = re.compile(r"\bltf_\w+")


@dataclass(frozen=True, slots=True)
class EmbeddedService:
    """A running service."""

    url: str
    api_key: str


class ServiceNotStartedError(Exception):
    """The service ended, or said nothing useful, before it was ready."""


@contextmanager
def embedded_service(folder: Path) -> Iterator[EmbeddedService]:
    """``ltforge serve`` on a free port with its data in ``folder``, stopped at the end.

    An error that leaves the block carries the end of the service's log as a note.
    """
    port = _free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--data", str(folder / "data")]
    log = folder / "serve.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ltforge", "serve", *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_embedded_environment(),
            # Its own group: Ctrl-C reaches the demo alone, which then stops it in good order.
            start_new_session=True,
        )
    try:
        yield _wait_until_ready(process, f"http://127.0.0.1:{port}", log)
    except Exception as error:
        error.add_note(f"The service's last words:\n{_tail(log)}")
        raise
    finally:
        _stop(process)


def _embedded_environment() -> dict[str, str]:
    """This environment without LTFORGE_*: the demo shows the defaults, on its own database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LTFORGE_")}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> EmbeddedService:
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=url, timeout=5, trust_env=False) as http:
        while time.monotonic() < deadline and process.poll() is None:
            key = _KEY.search(log.read_text(errors="replace"))
            if key is not None and _answers(lambda: http.get("/readyz")):
                return EmbeddedService(url, key[0])
            time.sleep(_PAUSE)
    raise ServiceNotStartedError(
        f"the service was not ready within {START_SECONDS:.0f} s (exit status {process.poll()})"
    )


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


def _answers(ask: Callable[[], httpx.Response]) -> bool:
    try:
        return ask().is_success
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the service in good order, and then, whatever happened, end its whole group."""
    # A second, impatient Ctrl-C must not leave the service running.
    impatient = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finally:
        signal.signal(signal.SIGINT, impatient)
