"""The unit of work: one transaction, with a repository for each noun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from service.store.engine import named_failures, open_engine, reading, writing
from service.store.events import EventRepository
from service.store.jobs import JobRepository
from service.store.keys import KeyRepository
from service.store.leader import LeaderRepository
from service.store.outbox import OutboxRepository
from service.store.scope import Scope
from service.store.tickets import TicketRepository
from service.store.uploads import CheckpointRepository, DatasetRepository


class Transaction:
    """What can be read and changed together."""

    def __init__(self, session: Session) -> None:
        scope = Scope(session)
        self.keys = KeyRepository(scope)
        self.checkpoints = CheckpointRepository(scope)
        self.datasets = DatasetRepository(scope)
        self.jobs = JobRepository(scope)
        self.tickets = TicketRepository(scope)
        self.events = EventRepository(scope)
        self.outbox = OutboxRepository(scope)
        self.leader = LeaderRepository(scope)


class Store:
    """A database. Safe to share between threads; not to be carried over a fork."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._writing_sessions = sessionmaker(writing(engine), expire_on_commit=False)
        self._reading_sessions = sessionmaker(reading(engine), expire_on_commit=False)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction that may write: committed at a normal exit, rolled back on an exception."""
        with named_failures(), self._writing_sessions.begin() as session:
            yield Transaction(session)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that cannot write."""
        with named_failures(), self._reading_sessions.begin() as session:
            yield Transaction(session)

    def ping(self) -> None:
        """Raise StorageUnavailable unless the database answers."""
        with named_failures(), self._reading_sessions.begin() as session:
            session.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_store(database_url: str) -> Store:
    """The store at a URL; its schema must exist (`service.store.schema.upgrade`)."""
    return Store(open_engine(database_url))
