"""Keeping a job's lease alive while it runs, and learning whether it is still wanted."""

from __future__ import annotations

import time
from typing import Any, Protocol

import structlog

from service.domain import ClaimedJob, LeaseState, Problem, Progress
from service.errors import StorageUnavailable
from service.settings import Settings
from service.store import Store, Transaction
from worker.job_log import JobLog

_log = structlog.get_logger(__name__)


class LeaseLost(Exception):  # noqa: N818 - an event, not a fault
    """Somebody else may be running the job now: stop, and write nothing."""


class Leases(Protocol):
    """Where leases of jobs, or of shards, are kept: every call names one by its id and token."""

    def lease_state(self, lease_id: str, lease_token: str, /) -> LeaseState:
        """Whether it is held, and the job still wanted."""

    def heartbeat(
        self, lease_id: str, lease_token: str, seconds: float, progress: Progress | None, /
    ) -> LeaseState:
        """Renew it."""

    def succeed(
        self, lease_id: str, lease_token: str, ticket_id: str | None, report: dict[str, Any], /
    ) -> bool:
        """Finish the job."""

    def fail(self, lease_id: str, lease_token: str, problem: Problem, /) -> bool:
        """Fail the job."""

    def cancel_running(self, lease_id: str, lease_token: str, /) -> bool:
        """Stop as asked."""

    def release(
        self, lease_id: str, lease_token: str, reason: Problem, count_attempt: bool, /
    ) -> bool:
        """Give back what it is of."""


def leases_of(tx: Transaction, claimed: ClaimedJob) -> Leases:
    """Where the lease of this claim is kept."""
    return tx.jobs if claimed.shard is None else tx.shards


class LeaseKeeper:
    """Renews a lease at intervals, with progress at most once a second, and reads in between."""

    def __init__(self, claimed: ClaimedJob, store: Store, settings: Settings, log: JobLog) -> None:
        self._log = log
        self._claimed = claimed
        self._job, self._token = claimed.job.id, claimed.lease_token
        self._store = store
        self._settings = settings
        self._progress: Progress | None = None
        self._stage = ""
        self._renewed = self._asked = time.monotonic()

    def note(self, stage: str, done: int, total: int) -> bool:
        """Remember progress for the next renewal; whether the stage is a new one."""
        self._progress = Progress.at(stage, done, total)
        entered, self._stage = stage != self._stage, stage
        return entered

    def keep(self) -> bool:
        """Do what is due; whether the job was canceled. Raises LeaseLost."""
        now = time.monotonic()
        try:
            state = self._ask(now)
        except StorageUnavailable as failure:
            # The lease still stands until its time is over; then others may have the job.
            if now - self._renewed > self._settings.lease_seconds:
                raise LeaseLost from failure
            _log.warning("could not renew a lease", error=failure.detail)
            return False
        if state is LeaseState.LOST:
            raise LeaseLost
        return state is LeaseState.CANCEL_REQUESTED

    def _ask(self, now: float) -> LeaseState:
        if self._renewal_due(now):
            with self._store.begin() as tx:
                seconds = self._settings.lease_seconds
                state = leases_of(tx, self._claimed).heartbeat(
                    self._claimed.lease_id, self._token, seconds, self._progress
                )
                written = self._log.take()
                if written and state is not LeaseState.LOST:
                    tx.logs.append(self._job, written)
            self._renewed = self._asked = now
            self._progress = None
            return state
        if now - self._asked >= self._settings.job_poll_seconds:
            self._asked = now
            with self._store.read() as tx:
                leases = leases_of(tx, self._claimed)
                return leases.lease_state(self._claimed.lease_id, self._token)
        return LeaseState.HELD

    def _renewal_due(self, now: float) -> bool:
        waited = now - self._renewed
        news = self._progress is not None and waited >= self._settings.progress_seconds
        return news or waited >= self._settings.heartbeat_seconds
