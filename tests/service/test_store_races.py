"""Two at the same thing at the same time: the second meets what the first left, and no failure."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy import text

from service.domain import JobKind, JobRequest
from service.errors import NotFound
from service.store import Store, Transaction
from tests.waiting import wait_until

Act = Callable[[Transaction, str, str], object]


@pytest.fixture
def tenant_id(store: Store) -> str:
    with store.begin() as tx:
        return tx.keys.ensure_default_tenant()


def endpoint(store: Store, tenant_id: str) -> str:
    with store.begin() as tx:
        return tx.webhook_endpoints.add(tenant_id, "https://hooks.example.com/", ["*"], "")[0].id


def waiting(store: Store) -> bool:
    """Whether some transaction waits for another's lock; SQLite shows none, but lets none begin."""
    if store.engine.dialect.name == "sqlite":
        return True
    query = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with store.engine.connect() as connection:
        return bool(connection.execute(query).scalar_one())


def meet(
    store: Store, first: Callable[[Transaction], object], second: Callable[[Transaction], object]
) -> Future[object]:
    """The first acts, then the second begins, then the first commits; how the second ended."""
    acted = threading.Event()

    def follow() -> object:
        acted.wait()
        with store.begin() as tx:
            return second(tx)

    with ThreadPoolExecutor(1) as pool:
        with store.begin() as tx:
            following = pool.submit(follow)
            first(tx)
            acted.set()
            wait_until(lambda: waiting(store) or following.done())
        return following


@pytest.mark.parametrize(
    "act",
    [
        lambda tx, tenant, own: tx.webhook_endpoints.change(tenant, own, {"enabled": True}),
        lambda tx, tenant, own: tx.webhook_endpoints.rotate_secret(tenant, own, 1),
        lambda tx, tenant, own: tx.webhook_endpoints.remove(tenant, own),
        lambda tx, tenant, own: tx.webhook_deliveries.test(tenant, own),
    ],
    ids=["change", "rotate", "remove", "test"],
)
def test_an_endpoint_that_is_being_removed_is_not_found(
    store: Store, tenant_id: str, act: Act
) -> None:
    own = endpoint(store, tenant_id)

    ended = meet(
        store,
        lambda tx: tx.webhook_endpoints.remove(tenant_id, own),
        lambda tx: act(tx, tenant_id, own),
    )

    assert isinstance(ended.exception(), NotFound)


def test_a_message_that_is_being_replayed_may_be_gone(store: Store, tenant_id: str) -> None:
    own = endpoint(store, tenant_id)
    with store.begin() as tx:
        delivery = tx.webhook_deliveries.test(tenant_id, own)

    ended = meet(
        store,
        lambda tx: tx.webhook_endpoints.remove(tenant_id, own),
        lambda tx: tx.webhook_deliveries.replay(tenant_id, delivery.id),
    )

    assert isinstance(ended.exception(), NotFound)


def test_a_job_is_submitted_while_an_endpoint_is_removed(store: Store, tenant_id: str) -> None:
    own, other = endpoint(store, tenant_id), endpoint(store, tenant_id)

    def submit(tx: Transaction) -> object:
        return tx.jobs.add(tenant_id, JobRequest(JobKind.STATISTICS, {}))

    removed = meet(store, submit, lambda tx: tx.webhook_endpoints.remove(tenant_id, own))
    submitted = meet(store, lambda tx: tx.webhook_endpoints.remove(tenant_id, other), submit)

    assert (removed.exception(), submitted.exception()) == (None, None)


def test_a_ticket_that_is_being_deleted_is_deleted_once(
    store: Store, ticket: tuple[str, str]
) -> None:
    tenant_id, ticket_id = ticket

    again = meet(
        store,
        lambda tx: tx.tickets.delete(tenant_id, ticket_id),
        lambda tx: tx.tickets.delete(tenant_id, ticket_id),
    )

    assert isinstance(again.exception(), NotFound)


def test_no_export_of_a_ticket_is_asked_for_that_is_being_deleted(
    store: Store, ticket: tuple[str, str]
) -> None:
    tenant_id, ticket_id = ticket

    asked = meet(
        store,
        lambda tx: tx.tickets.delete(tenant_id, ticket_id),
        lambda tx: tx.tickets.hold(tenant_id, ticket_id),
    )

    assert isinstance(asked.exception(), NotFound)


@pytest.fixture
def ticket(store: Store, tenant_id: str) -> tuple[str, str]:
    with store.begin() as tx:
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})
        tx.jobs.add(tenant_id, JobRequest(JobKind.CONSTRUCT, {}, checkpoint.id))
    with store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        made = tx.tickets.add(tenant_id, claimed.job.id, checkpoint.id, "d" * 64, {}, [b"file"])
        tx.jobs.succeed(claimed.job.id, claimed.lease_token, made.id, {})
    return tenant_id, made.id
