"""The unit of work: one transaction, with a repository for each noun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from service.domain import Limits
from service.store.audit import AuditRepository
from service.store.batches import BatchRepository
from service.store.census import CensusRepository
from service.store.engine import named_failures, open_engine, reading, writing
from service.store.events import EventRepository
from service.store.idempotency import IdempotencyRepository
from service.store.job_logs import JobLogRepository
from service.store.jobs import JobRepository
from service.store.keys import KeyRepository
from service.store.leader import LeaderRepository
from service.store.mlflow_deliveries import MlflowDeliveryRepository
from service.store.outbox import OutboxRepository
from service.store.quotas import QuotaRepository
from service.store.resumable_uploads import ResumableUploadRepository
from service.store.retention import RetentionRepository
from service.store.scope import Scope
from service.store.shards import ShardRepository
from service.store.ticket_exports import TicketExportRepository
from service.store.tickets import TicketRepository
from service.store.uploads import CheckpointRepository, DatasetRepository
from service.store.webhook_deliveries import WebhookDeliveryRepository
from service.store.webhook_endpoints import WebhookEndpointRepository
from service.store.workers import WorkerRepository


class Transaction:
    """What can be read and changed together."""

    def __init__(self, session: Session, limits: Limits) -> None:
        scope = Scope(session, limits)
        self.keys = KeyRepository(scope)
        self.quotas = QuotaRepository(scope)
        self.census = CensusRepository(scope)
        self.checkpoints = CheckpointRepository(scope)
        self.datasets = DatasetRepository(scope)
        self.uploads = ResumableUploadRepository(scope)
        self.jobs = JobRepository(scope)
        self.shards = ShardRepository(scope)
        self.logs = JobLogRepository(scope)
        self.batches = BatchRepository(scope)
        self.idempotency = IdempotencyRepository(scope)
        self.tickets = TicketRepository(scope)
        self.exports = TicketExportRepository(scope)
        self.retention = RetentionRepository(scope)
        self.events = EventRepository(scope)
        self.audit = AuditRepository(scope)
        self.webhook_endpoints = WebhookEndpointRepository(scope)
        self.webhook_deliveries = WebhookDeliveryRepository(scope)
        self.mlflow_deliveries = MlflowDeliveryRepository(scope)
        self.outbox = OutboxRepository(scope)
        self.leader = LeaderRepository(scope)
        self.workers = WorkerRepository(scope)


class Store:
    """A database. Safe to share between threads; not to be carried over a fork."""

    def __init__(self, engine: Engine, limits: Limits) -> None:
        self.engine = engine
        self._limits = limits
        self._writing_sessions = sessionmaker(writing(engine), expire_on_commit=False)
        self._reading_sessions = sessionmaker(reading(engine), expire_on_commit=False)

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A transaction that may write: committed at a normal exit, rolled back on an exception."""
        with named_failures(), self._writing_sessions.begin() as session:
            yield Transaction(session, self._limits)

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """A transaction that cannot write."""
        with named_failures(), self._reading_sessions.begin() as session:
            yield Transaction(session, self._limits)

    def ping(self) -> None:
        """Raise StorageUnavailable unless the database answers."""
        with named_failures(), self._reading_sessions.begin() as session:
            session.execute(text("SELECT 1"))

    def dispose(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def open_store(database_url: str, limits: Limits | None = None) -> Store:
    """The store at a URL; its schema must exist (`service.store.schema.upgrade`).

    `limits` hold for every tenant that has none of its own.
    """
    return Store(open_engine(database_url), limits or Limits())
