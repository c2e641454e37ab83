"""Connections: what SQLite must be told, and how readers and writers begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import InterfaceError, OperationalError
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


def open_engine(database_url: str) -> Engine:
    """An engine for SQLite or PostgreSQL, ready for `reading` and `writing`."""
    engine = create_engine(
        database_url,
        pool_pre_ping=not database_url.startswith("sqlite"),
        # The API serves up to 40 requests at a time; one that waits for a connection waits briefly.
        max_overflow=25,
        pool_timeout=10,
    )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def writing(engine: Engine) -> Engine:
    """The same engine, for transactions that write."""
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")


def reading(engine: Engine) -> Engine:
    """The same engine, for transactions that the database keeps from writing."""
    return engine.execution_options(sqlite_begin="BEGIN", postgresql_readonly=True)


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


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the write lock at once.

    A deferred transaction that reads and then writes fails with "database is locked" at once,
    whatever the busy timeout, when another has written meanwhile.
    """
    begin = connection.get_execution_options().get("sqlite_begin", "BEGIN IMMEDIATE")
    connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if begin == 'BEGIN' else 'OFF'}")
    connection.exec_driver_sql(begin)
