"""Housekeeping: messages are relayed, dead workers' work recovered, forgotten work woken."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from service.domain import Job, JobStatus, Problem
from service.errors import QueueUnavailable
from service.queue import MemoryQueue
from service.settings import Settings
from service.store import Store
from service.store.blobs import LocalBlobStore
from tests.waiting import wait_until
from worker.housekeeper import Housekeeper

Submit = Callable[..., Job]


class ClosedQueue:
    """A broker that is away."""

    def wake(self, kind: str) -> None:
        raise QueueUnavailable("away")


def test_committed_wake_ups_are_sent_once_each(
    settings: Settings, store: Store, submit: Submit
) -> None:
    calm = settings.model_copy(update={"rewake_seconds": 60.0})
    queue = MemoryQueue()
    keeper = Housekeeper(calm, store, queue, "keeper")
    submit("succeed")

    keeper.round(0.0)
    keeper.round(0.1)

    assert sorted(queue.woken) == ["cpu", "cpu", "validate"]


def test_a_broker_that_is_away_loses_nothing_and_holds_up_no_other_chore(
    settings: Settings, store: Store, submit: Submit
) -> None:
    submit("succeed")
    litter = settings.scratch / "litter"
    litter.mkdir(parents=True)
    os.utime(litter, (0, 0))

    assert Housekeeper(settings, store, ClosedQueue(), "keeper").round(0.0)
    assert not litter.exists()

    queue = MemoryQueue()
    Housekeeper(settings, store, queue, "keeper").round(0.0)

    assert "cpu" in queue.woken


def test_only_one_housekeeper_works(settings: Settings, store: Store, submit: Submit) -> None:
    queue = MemoryQueue()
    first = Housekeeper(settings, store, queue, "first")
    second = Housekeeper(settings, store, queue, "second")

    assert first.round(0.0)
    assert not second.round(0.0)

    first.resign()

    assert second.round(0.0)


def test_a_dead_workers_job_is_queued_again(
    settings: Settings, store: Store, submit: Submit
) -> None:
    job = submit("succeed")
    with store.begin() as tx:
        tx.jobs.claim("dead", -1)

    Housekeeper(settings, store, MemoryQueue(), "keeper").round(0.0)

    with store.read() as tx:
        assert tx.jobs.get(job.tenant_id, job.id).status is JobStatus.QUEUED


def test_work_whose_message_was_lost_is_announced_again(
    settings: Settings, store: Store, submit: Submit
) -> None:
    submit("succeed")
    with store.begin() as tx:
        tx.outbox.mark_sent([message.id for message in tx.outbox.pending(100)])
    queue = MemoryQueue()
    keeper = Housekeeper(settings, store, queue, "keeper")
    clock = iter(range(10_000))

    def announced() -> bool:
        keeper.round(float(next(clock)))
        return "cpu" in queue.woken

    wait_until(announced, 10)


def test_litter_of_killed_workers_is_removed_and_leased_folders_stay(
    settings: Settings, store: Store, submit: Submit
) -> None:
    submit("succeed")
    with store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
    assert claimed is not None
    settings.scratch.mkdir()
    leased, litter, fresh = (
        settings.scratch / name for name in (claimed.lease_token, "litter", "fresh")
    )
    for folder in (leased, litter, fresh):
        folder.mkdir()
    for folder in (leased, litter):
        os.utime(folder, (0, 0))

    Housekeeper(settings, store, MemoryQueue(), "keeper").round(0.0)

    assert sorted(settings.scratch.iterdir()) == sorted([leased, fresh])


def stored(settings: Settings, content: bytes, age: float) -> str:
    staged = LocalBlobStore(settings.blobs).stage()
    staged.write(content)
    sha256, _ = staged.commit()
    staged.discard()
    path = LocalBlobStore(settings.blobs).path(sha256)
    written = path.stat().st_mtime - age
    os.utime(path, (written, written))
    return sha256


def test_bytes_that_no_accepted_upload_needs_are_removed(settings: Settings, store: Store) -> None:
    day = 86_400.0
    good, canonical, rejected, orphan = (
        stored(settings, name, day) for name in (b"good", b"canonical", b"rejected", b"orphan")
    )
    fresh = stored(settings, b"fresh", 0.0)
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        for digest in (good, rejected):
            tx.checkpoints.add(tenant_id, "net", digest, 4)
        for _ in range(2):
            task = tx.checkpoints.claim_validation("validator", 60)
            assert task is not None
            if task.sha256 == good:
                tx.checkpoints.accept(task.id, task.lease_token, canonical, {})
            else:
                tx.checkpoints.reject(task.id, task.lease_token, Problem("NOT_FINITE", "a NaN"))

    Housekeeper(settings, store, MemoryQueue(), "keeper").round(0.0)

    blobs = LocalBlobStore(settings.blobs)
    kept = {digest for digest in (good, canonical, rejected, orphan, fresh) if blobs.exists(digest)}
    assert kept == {good, canonical, fresh}
    assert not list((settings.blobs / "staging").iterdir())


def test_bytes_that_came_again_meanwhile_are_kept(settings: Settings) -> None:
    digest = stored(settings, b"again", 0.0)

    removed = LocalBlobStore(settings.blobs).collect(digest, 60.0, lambda: False)

    assert not removed
    assert LocalBlobStore(settings.blobs).exists(digest)


def test_a_row_that_comes_while_bytes_are_collected_keeps_them(settings: Settings) -> None:
    digest = stored(settings, b"late", 86_400.0)

    removed = LocalBlobStore(settings.blobs).collect(digest, 60.0, lambda: True)

    assert not removed
    assert LocalBlobStore(settings.blobs).exists(digest)


def test_a_row_that_comes_after_its_bytes_were_collected_gets_them_back(settings: Settings) -> None:
    blobs = LocalBlobStore(settings.blobs)
    staged = blobs.stage()
    staged.write(b"slow")
    digest, _ = staged.commit()
    assert blobs.collect(digest, -1.0, lambda: False)

    staged.secure()
    staged.discard()

    assert blobs.path(digest).read_bytes() == b"slow"
    assert not list((settings.blobs / "staging").iterdir())


def test_a_disk_that_fails_ends_no_housekeeping(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(settings, b"orphan", 86_400.0)

    def fail(*_: object) -> bool:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(LocalBlobStore, "collect", fail)

    assert Housekeeper(settings, store, MemoryQueue(), "keeper").round(0.0)
