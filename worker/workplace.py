"""What one worker process has at hand."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from service.settings import Settings
from service.store import Store, open_store
from service.store.blobs import LocalBlobStore
from worker.runner_pool import RunnerPool
from worker.runner_process import RunnerProcess


def process_name() -> str:
    """How this process signs its leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


@dataclass(frozen=True)
class Workplace:
    """Settings, state, runners, and the wish to stop."""

    settings: Settings
    store: Store
    blobs: LocalBlobStore
    runners: RunnerPool
    name: str = field(default_factory=process_name)
    stopping: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        """End the runners and the database connections."""
        self.runners.close()
        self.store.dispose()


def open_workplace(
    settings: Settings, start_runner: Callable[[], RunnerProcess] = RunnerProcess
) -> Workplace:
    """A workplace on the state that the settings name."""
    settings.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Workplace(
        settings=settings,
        store=open_store(settings.database_url, settings.limits),
        blobs=LocalBlobStore(settings.blobs),
        runners=RunnerPool(settings, start_runner),
    )
