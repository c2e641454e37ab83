"""Shards that certify and check a ticket: what they get, and who waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain import FinishedShard, Job, PlannedShards, ShardCounts, ShardKind
from service.store import Store
from tests.service.test_store_jobs import ready_checkpoint, submit
from tests.service.test_store_shards import (
    current,
    divide,
    finish,
    finish_all,
    nothing_to_take,
    shards,
    take,
)


@pytest.fixture
def divided(store: Store) -> Job:
    return divide(store, submit(store, *ready_checkpoint(store)), 3)


LEFT = FinishedShard({"left": ["ticket"]}, "e" * 64, 1.5)
BOUND: dict[str, Any] = {"task": "bound", "layer": 6, "first": 0, "last": 5}
SEARCH: dict[str, Any] = {"task": "search", "first": 0, "last": 16}


def begin_checks(store: Store) -> None:
    """Finish what is built, and let the merge plan a search and a part of the certificate."""
    finish_all(store, 3)
    claimed, merge = take(store)
    checks = ((ShardKind.CHECK, SEARCH), (ShardKind.CERTIFY, BOUND))
    with store.begin() as tx:
        planned = PlannedShards(checks, 0, left=LEFT)
        assert tx.shards.extend(merge.id, claimed.lease_token, planned)


def test_parts_of_checks_get_what_merges_left_and_the_conclusion_gets_everything(
    store: Store, divided: Job
) -> None:
    begin_checks(store)
    for kind, document in ((ShardKind.CHECK, SEARCH), (ShardKind.CERTIFY, BOUND)):
        claimed, part = take(store)
        assert (part.kind, part.document, part.finished) == (kind, document, (LEFT,))
        assert finish(store, claimed)
    with store.read() as tx:
        assert tx.shards.referenced(["e" * 64]) == {"e" * 64}
    claimed, merge = take(store)
    digests = [f"{n:064x}" for n in range(3)]
    checked = [f"{n:064x}" for n in (4, 5)]
    assert [each.sha256 for each in merge.finished] == [*digests, "e" * 64, *checked]
    with store.begin() as tx:
        assert tx.shards.extend(merge.id, claimed.lease_token, PlannedShards((), 0, concludes=True))

    last, conclusion = take(store)
    assert conclusion.kind is ShardKind.CONCLUDE
    assert [each.sha256 for each in conclusion.finished] == [*digests, "e" * 64, *checked]
    listed = shards(store, divided)[5]
    assert (listed.layer, listed.first_row, listed.last_row) == (6, None, None)
    with store.begin() as tx:
        assert tx.shards.succeed(conclusion.id, last.lease_token, None, {})
    with store.read() as tx:
        assert tx.shards.referenced(["e" * 64]) == set()
    assert current(store, divided).shards == ShardCounts(5, 5)


def test_a_merge_does_not_wait_for_checks_but_the_conclusion_does(
    store: Store, divided: Job
) -> None:
    begin_checks(store)
    searching, _ = take(store)
    bounding, _ = take(store)
    assert nothing_to_take(store)
    sent = pending(store)
    assert finish(store, bounding)
    assert pending(store) > sent
    claimed, merge = take(store)
    assert merge.kind is ShardKind.MERGE
    with store.begin() as tx:
        assert tx.shards.extend(merge.id, claimed.lease_token, PlannedShards((), 0, concludes=True))

    assert nothing_to_take(store)
    sent = pending(store)
    assert finish(store, searching)
    assert pending(store) > sent
    assert take(store)[1].kind is ShardKind.CONCLUDE


def test_kinds_that_a_release_does_not_know_are_left_to_others(
    store: Store, divided: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_checks(store)
    older = (ShardKind.BUILD, ShardKind.MERGE)
    monkeypatch.setattr("service.store.shard_queries.KNOWN_KINDS", older)
    assert nothing_to_take(store)

    monkeypatch.undo()
    assert take(store)[1].kind is ShardKind.CHECK


def pending(store: Store) -> int:
    with store.begin() as tx:
        return len(tx.outbox.pending(1000))
