"""The housekeeper: relays the outbox, recovers what dead workers held, wakes what was forgotten.

Any number may run; a lease in the database makes one of them the leader. Webhooks are sent, and
MLflow is told, by all.
"""

from __future__ import annotations

import shutil
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from service.domain import JobDevice
from service.errors import QueueUnavailable, StorageUnavailable
from service.logs import configure_logs
from service.queue import Queue, QueueName, open_queue, queues_for
from service.settings import Settings
from service.store import Store, Transaction, open_store
from service.store.blobs import LocalBlobStore
from worker.mlflow_sender import MlflowSender
from worker.webhook_sender import WebhookSender
from worker.workplace import process_name

_log = structlog.get_logger(__name__)

_ROLE = "housekeeper"
_BATCH = 100
_SENT_KEPT_SECONDS = 3600.0
# For so long a device that was here is expected back: jobs that need one are taken.
_WORKERS_KNOWN_SECONDS = 7 * 24 * 3600.0
# A scratch folder without a lease may belong to a claim committed a moment ago.
_LITTER_SECONDS = 600.0
# An upload that sends nothing for a minute is given up by the API itself.
_STAGED_SECONDS = 3600.0


class Housekeeper:
    """One round of housekeeping at a time; `now` tells when the rarer chores are due."""

    def __init__(self, settings: Settings, store: Store, queue: Queue, name: str) -> None:
        self._settings = settings
        self._store = store
        self._queue = queue
        self._name = name
        self._rewake_due = 0.0
        self._sweep_due = 0.0
        self._collect_due = 0.0

    def round(self, now: float) -> bool:
        """Do what is due if this is the leader; whether it is."""
        if not self._lead_and_reap():
            return False
        # A broker that is away holds up no chore but these two.
        _survive(self.relay)
        if now >= self._rewake_due:
            self._rewake_due = now + self._settings.rewake_seconds
            _survive(self._rewake)
        if now >= self._sweep_due:
            self._sweep_due = now + _LITTER_SECONDS
            self._sweep()
        if now >= self._collect_due:
            self._collect_due = now + self._settings.blob_grace_seconds
            self._forget_old()
            self._collect()
        return True

    def collect_garbage(self) -> None:
        """Do the chores that delete, now and whoever leads: each is safe beside another's."""
        self._forget_old()
        self._collect()

    def resign(self) -> None:
        """Let another housekeeper lead at once."""
        with self._store.begin() as tx:
            tx.leader.resign(_ROLE, self._name)

    def _lead_and_reap(self) -> bool:
        lease_seconds = 20 * self._settings.housekeeping_seconds
        with self._store.begin() as tx:
            if not tx.leader.acquire(_ROLE, self._name, lease_seconds):
                return False
            reaped = tx.jobs.reap() + tx.shards.reap()
            tx.jobs.expire()
            attempts = self._settings.validation_attempts
            tx.checkpoints.reap_validations(attempts)
            tx.datasets.reap_validations(attempts)
        if reaped:
            _log.warning("recovered jobs of dead workers", jobs=reaped)
        return True

    def relay(self) -> None:
        """Send wake-ups, which jobs wait for; between rounds only the leader need do so.

        Send first, mark afterwards: a crash in between sends twice, which harms nobody.
        """
        with self._store.read() as tx:
            messages = tx.outbox.pending(_BATCH)
            cuda = bool(messages) and tx.workers.cuda_is_alive()
        if not messages:
            return
        for message in messages:
            for name in queues_for(message.kind, cuda):
                self._queue.wake(name)
        with self._store.begin() as tx:
            tx.outbox.mark_sent([message.id for message in messages])

    def _rewake(self) -> None:
        """Announce work again that has waited longer than a message can take."""
        patience = self._settings.rewake_seconds
        waiting: list[QueueName] = []
        with self._store.read() as tx:
            if _waits(tx, patience, JobDevice.CPU):
                waiting.append("cpu")
            if tx.workers.cuda_is_alive() and _waits(tx, patience, JobDevice.CUDA):
                waiting.append("gpu")
            if tx.checkpoints.waiting(patience) or tx.datasets.waiting(patience):
                waiting.append("validate")
        for name in waiting:
            self._queue.wake(name)

    def _sweep(self) -> None:
        """Forget old messages; remove what killed workers left in the scratch folder."""
        with self._store.begin() as tx:
            tx.idempotency.forget_expired()
            tx.outbox.forget_sent(_SENT_KEPT_SECONDS)
            tx.workers.forget(_WORKERS_KNOWN_SECONDS)
            tx.webhook_deliveries.forget_finished(self._settings.webhook_log_seconds)
            leased = tx.jobs.lease_tokens() | tx.shards.lease_tokens()
            leased |= tx.checkpoints.lease_tokens() | tx.datasets.lease_tokens()
        for folder in self._settings.scratch.glob("*"):
            if folder.name not in leased and _age(folder) > _LITTER_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)

    def _forget_old(self) -> None:
        """Delete what is older than the settings keep it, a batch at a time."""
        with self._store.begin() as tx:
            chores = (
                (tx.retention.expire_tickets, self._settings.ticket_retention_days),
                (tx.retention.expire_jobs, self._settings.job_retention_days),
                (tx.retention.expire_events, self._settings.event_retention_days),
            )
            for expire, days in chores:
                if days is not None and (expired := expire(days, _BATCH)):
                    _log.info("deleted what is old", chore=expire.__name__, rows=expired)

    def _collect(self) -> None:
        """Collect garbage; a disk that fails must not end the other chores."""
        try:
            self._collect_blobs()
            self._collect_unfinished()
        except OSError as failure:
            _log.warning("collecting blobs is interrupted", error=str(failure))

    def _collect_blobs(self) -> None:
        """Remove the bytes of rejected uploads, and of those that a crash left without a row."""
        grace = self._settings.blob_grace_seconds
        blobs = LocalBlobStore(self._settings.blobs)
        old = blobs.older_than(grace)
        for start in range(0, len(old), _BATCH):
            batch = old[start : start + _BATCH]
            needed = self._needed(batch)
            collected = [
                digest
                for digest in batch
                if digest not in needed
                and blobs.collect(digest, grace, partial(self._needed, [digest]))
            ]
            if collected:
                _log.info("removed blobs that nobody needs", blobs=len(collected))
        blobs.discard_stale(_STAGED_SECONDS)

    def _collect_unfinished(self) -> None:
        """Forget resumable uploads whose time is over, and remove bytes that no upload has."""
        blobs = LocalBlobStore(self._settings.blobs)
        with self._store.begin() as tx:
            expired = tx.uploads.expire(_BATCH)
        for upload_id in expired:
            blobs.forget_partial(upload_id)
        old = blobs.partials_older_than(self._settings.blob_grace_seconds)
        for start in range(0, len(old), _BATCH):
            batch = old[start : start + _BATCH]
            with self._store.read() as tx:
                unfinished = tx.uploads.unfinished(batch)
            for upload_id in batch:
                if upload_id not in unfinished:
                    blobs.forget_partial(upload_id)

    def _needed(self, digests: list[str]) -> set[str]:
        """Which of these blobs some row refers to."""
        with self._store.read() as tx:
            uploads = tx.checkpoints.referenced(digests) | tx.datasets.referenced(digests)
            return uploads | tx.exports.referenced(digests) | tx.shards.referenced(digests)


def _waits(tx: Transaction, patience: float, device: JobDevice) -> bool:
    return tx.jobs.waiting(patience, device) or tx.shards.waiting(patience, device)


def _age(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def main() -> None:
    """Keep house until SIGTERM or SIGINT."""
    configure_logs()
    settings = Settings()
    stopping = threading.Event()

    def stop(*_: Any) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    store = open_store(settings.database_url)
    keeper = Housekeeper(settings, store, open_queue(settings), process_name())
    sender, mlflow = WebhookSender(settings, store), MlflowSender(settings, store)
    sending = threading.Thread(target=sender.run, args=(stopping,), name="webhooks")
    sending.start()
    telling = threading.Thread(target=mlflow.run, name="mlflow")
    if mlflow.wanted:
        telling.start()
    leads, due = False, 0.0
    while not stopping.wait(settings.relay_seconds):
        now = time.monotonic()
        if now >= due:
            due = now + settings.housekeeping_seconds
            leads = bool(_survive(partial(keeper.round, now)))
        elif leads:
            _survive(keeper.relay)
    _survive(keeper.resign)
    mlflow.stop()
    sending.join()
    if telling.is_alive():
        telling.join()
    store.dispose()


def _survive(chore: Callable[[], object]) -> object:
    """Do a chore; where database or broker is away, say so and let the next round try again."""
    try:
        return chore()
    except (StorageUnavailable, QueueUnavailable) as failure:
        _log.warning("housekeeping is interrupted", error=failure.detail)
        return None


if __name__ == "__main__":
    main()
