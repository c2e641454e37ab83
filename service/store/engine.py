"""Connections: what SQLite must be told, and how readers and writers begin."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from service.errors import StorageUnavailable

# A ticket of some hundred MB is committed in one transaction, so writers wait patiently.
_SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout = 30000",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = ON",
)

# A connection used so lately is tried without a question, unless the server said something on it.
_TRUSTED_SECONDS = 5.0


def open_engine(database_url: str) -> Engine:
    """An engine for SQLite or PostgreSQL, ready for `reading` and `writing`."""
    engine = create_engine(
        database_url,
        # The API serves up to 40 requests at a time; one that waits for a connection waits briefly.
        # Connections beyond the pool's size are closed when returned: opening one costs more than a
        # request, so the size, not the overflow, holds an ordinary crowd.
        pool_size=20,
        max_overflow=10,
        pool_timeout=10,
    )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgres)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _Liveness(engine).check)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write."""
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE", postgresql_readonly=False)


def reading(engine: Engine) -> Engine:
    """The same engine, for transactions that the database keeps from writing.

    On PostgreSQL each statement is a transaction of its own: at the level READ COMMITTED it sees
    the same as within a longer one, and goes to the server once instead of three times.
    """
    if engine.dialect.name == "sqlite":
        return engine.execution_options(sqlite_begin="BEGIN")
    return engine.execution_options(isolation_level="AUTOCOMMIT")


@contextmanager
def named_failures() -> Iterator[None]:
    """Report a database that is away, locked or crowded as what it is to callers."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as failure:
        # The driver's words alone: SQLAlchemy's would repeat statement and parameters.
        reason = getattr(failure, "orig", None) or type(failure).__name__
        raise StorageUnavailable(f"The database does not answer: {reason}") from failure


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # The driver's own transactions begin deferred and late; ours begin when and how we say.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _prepare_postgres(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """Writing has to be asked for: `writing` begins its transactions with READ WRITE."""
    connection.autocommit = True
    connection.execute("SET default_transaction_read_only = on")
    connection.autocommit = False


def _note_use(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info["used_at"] = time.monotonic()


class _Liveness:
    """Keeps requests from connections that the server has closed.

    A server that stops, and one that ends a session, says so: then there is something to read. Only
    a connection that has that, or was idle for long, is asked whether it lives.
    """

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect

    def check(self, connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        """Raise DisconnectionError for a dead connection: the pool then takes another."""
        idle = time.monotonic() - entry.info.get("used_at", 0.0)
        if idle < _TRUSTED_SECONDS and not _has_news(connection):
            return
        try:
            self._dialect.do_ping(connection)
        except self._dialect.loaded_dbapi.Error as failure:
            raise DisconnectionError from failure


def _has_news(connection: Any) -> bool:
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the write lock at once.

    A deferred transaction that reads and then writes fails with "database is locked" at once,
    whatever the busy timeout, when another has written meanwhile.
    """
    begin = connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE")
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if begin == 'BEGIN' else 'OFF'}")
    connection.exec_driver_sql(begin)
