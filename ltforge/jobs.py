"""A job: what it does, its state, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ltforge.connection import Connection
from ltforge.errors import JobCanceledError, JobFailedError
from ltforge.resources import (
    Document,
    Problem,
    Progress,
    read_problem,
    read_progress,
    read_time,
)
from ltforge.retrying import Repeat
from ltforge.waiting import wait_until

TERMINAL_STATES = frozenset({"succeeded", "failed", "canceled", "expired"})
"""Used only if the service does not say ``terminal`` itself; any other state means: go on."""


@dataclass(frozen=True)
class Job:
    """One job, as the service saw it when this record was fetched.

    ``kind`` is construct, estimate, statistics or plan; only a construction ends with a ticket,
    and the result of every kind is in ``metrics``. Statistics have no checkpoint.
    """

    id: str
    kind: str
    status: str
    terminal: bool
    checkpoint_id: str | None
    dataset_id: str | None
    spec: dict[str, Any]
    replicates: int | None
    labels: dict[str, str]
    attempt: int
    progress: Progress
    error: Problem | None
    ticket_id: str | None
    metrics: dict[str, Any] | None
    created_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    _connection: Connection = field(repr=False, compare=False)

    def refresh(self) -> Job:
        """The same job as it is now."""
        return read_job(self._connection.get(f"/v1/jobs/{self.id}"), self._connection)

    def cancel(self) -> Job:
        """Ask the job to stop. Harmless to repeat, and no effect on a finished job."""
        document = self._connection.post(f"/v1/jobs/{self.id}/cancel", None, repeat=Repeat.HARMLESS)
        return read_job(document, self._connection)

    def wait(
        self, timeout: float = 3600.0, on_progress: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait until the job has ended and return it with its metrics, and its ticket's id if any.

        Args:
            timeout: seconds to wait at most.
            on_progress: called with the job every time its status or progress has changed.

        Raises:
            JobFailedError: the job ended without a result; the error has its code and reason.
            WaitTimeoutError: ``timeout`` seconds passed first; the job goes on.
        """
        final = wait_until(
            self.refresh,
            lambda job: job.terminal,
            timeout=timeout,
            what=f"job {self.id}",
            seen=_only_changes(on_progress),
        )
        if final.status == "succeeded":
            return final
        raise _failure(final)


def _only_changes(on_progress: Callable[[Job], None] | None) -> Callable[[Job], None]:
    last: list[tuple[str, Progress]] = []

    def seen(job: Job) -> None:
        state = (job.status, job.progress)
        if on_progress is not None and last != [state]:
            last[:] = [state]
            on_progress(job)

    return seen


def _failure(job: Job) -> JobFailedError:
    kind = JobCanceledError if job.status == "canceled" else JobFailedError
    reason = job.error or Problem(f"JOB_{job.status.upper()}", f"job {job.id} {job.status}")
    return kind(reason.code, reason.detail, job=job)


def read_job(document: Document, connection: Connection) -> Job:
    """A job from the service's JSON."""
    status = document["status"]
    return Job(
        id=document["id"],
        kind=document.get("kind", "construct"),
        status=status,
        terminal=bool(document.get("terminal", status in TERMINAL_STATES)),
        checkpoint_id=document.get("checkpoint_id"),
        dataset_id=document.get("dataset_id"),
        spec=document.get("spec") or {},
        replicates=document.get("replicates"),
        labels=document.get("labels") or {},
        attempt=int(document.get("attempt") or 0),
        progress=read_progress(document.get("progress")),
        error=read_problem(document.get("error")),
        ticket_id=document.get("ticket_id"),
        metrics=document.get("metrics"),
        created_at=read_time(document.get("created_at")),
        started_at=read_time(document.get("started_at")),
        finished_at=read_time(document.get("finished_at")),
        _connection=connection,
    )
