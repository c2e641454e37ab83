"""Uploads, tickets, keys, leadership and the outbox in the database; blobs beside it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from service.domain import CheckpointStatus, Problem
from service.errors import NotFound, StorageUnavailable
from service.store import Store, open_store
from service.store.blobs import BlobStore, LocalBlobStore

from .test_store_jobs import claim, ready_checkpoint, submit


@pytest.fixture
def tenant_id(store: Store) -> str:
    with store.begin() as tx:
        return tx.keys.ensure_default_tenant()


def test_the_same_content_is_one_checkpoint_per_tenant(store: Store, tenant_id: str) -> None:
    with store.begin() as tx:
        first = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        again = tx.checkpoints.add(tenant_id, "other name", "a" * 64, 10)
        foreign = tx.checkpoints.add(tx.keys.ensure_tenant("other"), "net", "a" * 64, 10)

    assert again == first
    assert foreign.id != first.id


def test_rejected_content_may_be_uploaded_again(store: Store, tenant_id: str) -> None:
    with store.begin() as tx:
        first = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.reject(task.id, task.lease_token, Problem("NOT_FINITE", "a NaN"))
        assert tx.checkpoints.find_by_digest(tenant_id, "a" * 64) is None
        second = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)

    with store.read() as tx:
        rejected = tx.checkpoints.get(tenant_id, first.id)
    assert second.id != first.id
    assert rejected.status is CheckpointStatus.REJECTED
    assert rejected.rejection == Problem("NOT_FINITE", "a NaN")


def test_a_validation_belongs_to_one_worker_until_its_lease_ends(
    store: Store, tenant_id: str
) -> None:
    with store.begin() as tx:
        tx.datasets.add(tenant_id, "digits", "a" * 64, 10)
        dead = tx.datasets.claim_validation("dead", 60)
        assert tx.datasets.claim_validation("other", 60) is None
        assert dead is not None
        assert tx.datasets.renew_validation(dead.id, dead.lease_token, -1)
        heir = tx.datasets.claim_validation("other", 60)
        assert heir is not None
        assert not tx.datasets.accept(dead.id, dead.lease_token, "b" * 64, {})
        assert tx.datasets.accept(heir.id, heir.lease_token, "b" * 64, {"rows": 3})
        ready = tx.datasets.get(tenant_id, heir.id)

    assert ready.status is CheckpointStatus.READY
    assert ready.canonical_sha256 == "b" * 64
    assert ready.summary == {"rows": 3}


def test_a_file_that_kills_its_validators_is_rejected(store: Store, tenant_id: str) -> None:
    with store.begin() as tx:
        checkpoint = tx.checkpoints.add(tenant_id, "bomb", "a" * 64, 10)
        for _ in range(2):
            assert tx.checkpoints.claim_validation("validator", -1) is not None
            assert tx.checkpoints.reap_validations(max_attempts=2) == 1
    with store.read() as tx:
        rejected = tx.checkpoints.get(tenant_id, checkpoint.id)

    assert rejected.rejection is not None
    assert rejected.rejection.code == "VALIDATION_INTERRUPTED"


def test_a_ticket_comes_back_byte_for_byte(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store))
    claim(store)
    chunks = [b"first" * 1000, b"second"]
    assert job.checkpoint_id is not None

    with store.begin() as tx:
        ticket = tx.tickets.add(
            job.tenant_id, job.id, job.checkpoint_id, "digest", {"report": 1}, chunks
        )

    whole = b"".join(chunks)
    with store.read() as tx:
        count = len(tx.tickets.chunk_lengths(ticket.id))
        read = [tx.tickets.read_chunk(ticket.id, index) for index in range(count)]
        assert tx.tickets.get(job.tenant_id, ticket.id) == ticket
        assert tx.tickets.list(job.tenant_id, 10) == [ticket]
        with pytest.raises(NotFound):
            tx.tickets.get("ten_other", ticket.id)
    assert read == chunks
    assert (ticket.bytes, ticket.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())


def test_a_key_opens_only_with_its_own_text(store: Store, tenant_id: str) -> None:
    with store.begin() as tx:
        assert not tx.keys.any()
        key, text = tx.keys.add(tenant_id, "laptop")
        _, other = tx.keys.add(tenant_id, "server")

    with store.read() as tx:
        assert tx.keys.find(text) == key
        assert tx.keys.find(text[:-1]) is None
        assert tx.keys.find(text.rpartition("_")[0] + "_" + other.rpartition("_")[2]) is None
        assert tx.keys.find("ltf__") is None
        assert tx.keys.find("") is None
        assert tx.keys.any()
    assert text.rpartition("_")[2] not in repr(key)


def test_one_housekeeper_leads_until_its_lease_ends_or_it_resigns(store: Store) -> None:
    with store.begin() as tx:
        assert tx.leader.acquire("housekeeper", "a", 60)
        assert tx.leader.acquire("housekeeper", "a", 60)
        assert not tx.leader.acquire("housekeeper", "b", 60)
        assert tx.leader.acquire("housekeeper", "a", -1)
        assert tx.leader.acquire("housekeeper", "b", 60)
        tx.leader.resign("housekeeper", "b")
        assert tx.leader.acquire("housekeeper", "a", 60)


def test_the_outbox_gives_each_message_until_it_is_marked_as_sent(
    store: Store, tenant_id: str
) -> None:
    with store.begin() as tx:
        tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        pending = tx.outbox.pending(10)
    with store.begin() as tx:
        tx.outbox.mark_sent([message.id for message in pending])
    with store.begin() as tx:
        left = tx.outbox.pending(10)
        forgotten = tx.outbox.forget_sent(older_than_seconds=-1)

    assert [message.kind for message in pending] == ["validate"]
    assert left == []
    assert forgotten == 1


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(Exception, match=r"read-?only"), store.read() as tx:
        tx.keys.ensure_tenant("sneaky")


def test_a_database_that_is_away_is_named_so() -> None:
    store = open_store("postgresql://postgres@127.0.0.1:1/nowhere")

    with pytest.raises(StorageUnavailable):
        store.ping()


def test_a_blob_exists_whole_or_not_at_all(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path / "blobs")
    staged, dropped = blobs.stage(), blobs.stage()
    for part in (b"some ", b"bytes"):
        staged.write(part)
        dropped.write(part)
    digest = hashlib.sha256(b"some bytes").hexdigest()

    assert isinstance(blobs, BlobStore)
    assert not blobs.exists(digest)

    assert staged.commit() == (digest, 10)
    staged.discard()
    dropped.discard()

    assert blobs.path(digest).read_bytes() == b"some bytes"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [blobs.path(digest)]


def test_a_name_that_is_no_digest_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        LocalBlobStore(tmp_path).path("../../etc/passwd")
