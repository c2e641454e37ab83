"""A worker's entry in the database: what it can do, and that it lives."""

from __future__ import annotations

import threading

import structlog

from service.domain import Worker
from service.errors import StorageUnavailable
from service.settings import Settings
from service.store import Store

_log = structlog.get_logger(__name__)


class Registration:
    """Announces a worker again and again from a thread, until it is told to stop."""

    def __init__(self, worker: Worker, store: Store, settings: Settings) -> None:
        self._worker = worker
        self._store = store
        self._settings = settings
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="registration")

    def begin(self) -> None:
        """Announce it now, and keep doing so."""
        self._announce()
        self._thread.start()

    def end(self) -> None:
        """Say that it has stopped."""
        self._ended.set()
        self._thread.join()
        try:
            with self._store.begin() as tx:
                tx.workers.retire(self._worker.name)
        except StorageUnavailable as failure:
            _log.warning("could not sign off", error=failure.detail)

    def _repeat(self) -> None:
        while not self._ended.wait(self._settings.heartbeat_seconds):
            self._announce()

    def _announce(self) -> None:
        try:
            with self._store.begin() as tx:
                tx.workers.announce(self._worker, self._settings.lease_seconds)
        except StorageUnavailable as failure:
            _log.warning("could not announce this worker", error=failure.detail)
