"""Connections: readers cannot write, and one that the server closed is no request's problem."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.domain import ApiKey
from service.errors import StorageUnavailable
from service.store import Store, open_store


def add_key(store: Store, name: str) -> ApiKey:
    with store.begin() as tx:
        return tx.keys.add(tx.keys.ensure_tenant("somebody"), name)[0]


def test_a_reader_cannot_write(store: Store) -> None:
    known = add_key(store, "known")
    with pytest.raises((DBAPIError, StorageUnavailable)), store.read() as tx:
        tx.keys.note_use(known.id)
    with store.read() as tx:
        assert tx.keys.get(known.tenant_id, known.id).last_used_at is None


def test_writers_and_readers_take_turns_on_one_connection(store: Store) -> None:
    for number in range(5):
        key = add_key(store, f"key {number}")
        with store.read() as tx:
            assert tx.keys.get(key.tenant_id, key.id).name == f"key {number}"


def test_what_a_writer_leaves_unfinished_is_undone(store: Store) -> None:
    known = add_key(store, "known")

    def note_use_and_fail() -> None:
        with store.begin() as tx:
            tx.keys.note_use(known.id)
            raise KeyError

    with pytest.raises(KeyError):
        note_use_and_fail()
    with store.read() as tx:
        assert tx.keys.get(known.tenant_id, known.id).last_used_at is None


@pytest.mark.slow
def test_sessions_that_the_server_ended_are_replaced(migrated_postgres_url: str) -> None:
    store, other = open_store(migrated_postgres_url), open_store(migrated_postgres_url)
    key = add_key(store, "patient")
    ended = text(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(3):
        with store.read() as tx:
            assert tx.keys.get(key.tenant_id, key.id).name == "patient"
        with other.engine.connect() as connection:
            assert all(connection.execute(ended).scalars())
    store.dispose()
    other.dispose()
