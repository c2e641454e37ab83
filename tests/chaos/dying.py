"""Parts of the service that are killed with SIGKILL at one named point: run by the tests.

`python -m tests.chaos.dying POINT DATABASE_URL DATA` gets there and does not come back.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from service.domain import JobKind, JobRequest
from service.queue import QueueName
from service.settings import Settings
from service.store import Store, open_store
from service.store.blobs import LocalBlobStore
from worker.housekeeper import Housekeeper


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class FileQueue:
    """A broker whose messages are lines of a file; the sender dies after the first."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def wake(self, name: QueueName) -> None:
        with self._file.open("a") as file:
            file.write(f"{name}\n")
        die()


def api_after_commit(store: Store, settings: Settings) -> None:
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        tx.jobs.add(tenant_id, JobRequest(JobKind.STATISTICS, {"behave": "report"}))
    die()


def relay_after_publishing(store: Store, settings: Settings) -> None:
    Housekeeper(settings, store, FileQueue(settings.data / "sent"), "dying").round(0.0)


def worker_after_claiming(store: Store, settings: Settings) -> None:
    with store.begin() as tx:
        assert tx.jobs.claim("dying", 0.5) is not None
    die()


def upload_between_blob_and_row(store: Store, settings: Settings) -> None:
    staged = LocalBlobStore(settings.blobs).stage()
    staged.write(b"an upload")
    staged.commit()
    die()


def leading_housekeeper(store: Store, settings: Settings) -> None:
    with store.begin() as tx:
        assert tx.leader.acquire("housekeeper", "dying", 0.5)
    die()


POINTS = {
    point.__name__: point
    for point in (
        api_after_commit,
        relay_after_publishing,
        worker_after_claiming,
        upload_between_blob_and_row,
        leading_housekeeper,
    )
}


def main() -> None:
    name, database_url, data = sys.argv[1:]
    settings = Settings(data=Path(data), database_url=database_url)
    POINTS[name](open_store(database_url), settings)


if __name__ == "__main__":
    main()
