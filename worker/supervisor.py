"""`ltforge serve`: everything on one machine, in one data folder, under one supervisor."""

from __future__ import annotations

import fcntl
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from service.errors import ServiceError
from service.logs import configure_logs
from service.settings import Settings
from service.store import open_store
from service.store.schema import upgrade
from worker.supervised import SupervisedProcess

_POLL_SECONDS = 0.1
_GRACE_SECONDS = 10.0


def serve(settings: Settings) -> int:
    """Run the API, one worker and the housekeeper until SIGTERM or SIGINT; the exit status.

    Raises ServiceError if the data folder or the address is taken.
    """
    configure_logs()
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(settings):
        _check_port(settings)
        upgrade(settings.database_url)
        _clear_broker(settings)
        _show_first_key(settings)
        return _supervise(settings)


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Only one supervisor per data folder."""
    with (settings.data / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            raise ServiceError(
                f"Another ltforge serve uses {settings.data}. Stop it, or use another --data.",
                code="DATA_FOLDER_IN_USE",
            ) from failure
        yield


def _check_port(settings: Settings) -> None:
    """Find out now, not from an API that cannot start again and again."""
    try:
        socket.create_server((settings.host, settings.port)).close()
    except OSError as failure:
        raise ServiceError(
            f"Cannot listen on {settings.host}:{settings.port} ({failure.strerror}). Stop what "
            "listens there, or use another --port.",
            code="ADDRESS_UNAVAILABLE",
        ) from failure


def _clear_broker(settings: Settings) -> None:
    """Drop messages of an earlier run: the database announces everything anew."""
    if not settings.broker_url:
        for path in (settings.data / "broker").glob("*/*"):
            path.unlink()


def _show_first_key(settings: Settings) -> None:
    """Make the first API key and print it: the only time that anybody can see it."""
    store = open_store(settings.database_url)
    with store.begin() as tx:
        key = None if tx.keys.any() else tx.keys.add(tx.keys.ensure_default_tenant(), "first")[1]
    store.dispose()
    if key is not None:
        _tell(f"API key (shown once): {key}")


def _supervise(settings: Settings) -> int:
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    children = [SupervisedProcess(arguments, settings) for arguments in _modules(settings)]
    told = False
    try:
        while not stopping.wait(_POLL_SECONDS):
            for child in children:
                child.keep_running(time.monotonic())
            if not told and _answers(settings):
                told = True
                _tell(f"LTForge listens on http://{settings.host}:{settings.port}")
    finally:
        _end(children)
    return 0


def _modules(settings: Settings) -> list[list[str]]:
    api = "service.api.application:create_app_from_environment"
    where = ["--host", settings.host, "--port", str(settings.port)]
    manners = ["--timeout-graceful-shutdown", "5", "--no-access-log", "--log-level", "warning"]
    return [
        ["uvicorn", api, "--factory", *where, *manners],
        ["worker.celery_app"],
        ["worker.housekeeper"],
    ]


def _answers(settings: Settings) -> bool:
    try:
        socket.create_connection((settings.host, settings.port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _end(children: list[SupervisedProcess]) -> None:
    for child in children:
        child.ask_to_stop()
    deadline = time.monotonic() + _GRACE_SECONDS
    for child in children:
        child.end(max(0.0, deadline - time.monotonic()))


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
