"""One attempt at one job: give it to a runner, watch over both, commit how it ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from service.domain import ClaimedJob, Job, JobKind, Problem
from service.store import Transaction
from service.store.tickets import CHUNK_BYTES
from worker.lease import LeaseKeeper, LeaseLost
from worker.plain_text import plain_problem
from worker.protocol import Canceled, Failed, Message, ProgressMade, Run, Succeeded
from worker.runner_process import RunnerDied, RunnerProcess
from worker.workplace import Workplace

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """The worker is stopping; the job goes back to the queue."""


@dataclass(frozen=True, slots=True)
class Died:
    """The runner died under the job."""

    hint: str


Outcome = Succeeded | Failed | Canceled | Died | Drained

_DRAINED = Problem("WORKER_STOPPED", "The worker was stopped; another one takes the job.")


def work_one_job(workplace: Workplace) -> bool:
    """Claim the next job and bring this attempt to its end; False if there was none."""
    with workplace.store.begin() as tx:
        claimed = tx.jobs.claim(workplace.name, workplace.settings.lease_seconds)
    if claimed is None:
        return False
    log = _log.bind(job=claimed.job.id, kind=claimed.job.kind, attempt=claimed.job.attempt)
    log.info("job started")
    folder = workplace.settings.scratch / claimed.lease_token
    folder.mkdir(mode=0o700)
    try:
        with workplace.runners.borrow() as runner:
            outcome = _attend(claimed, runner, folder / "ticket.safetensors", workplace)
        _conclude(outcome, claimed, folder / "ticket.safetensors", workplace)
        log.info("attempt ended", outcome=type(outcome).__name__)
    except LeaseLost:
        log.warning("lease lost; the attempt leaves no trace")
    finally:
        shutil.rmtree(folder)
    return True


def _attend(
    claimed: ClaimedJob, runner: RunnerProcess, ticket: Path, workplace: Workplace
) -> Outcome:
    """Stay with the runner until the attempt has an outcome; raises LeaseLost."""
    settings = workplace.settings
    lease = LeaseKeeper(claimed, workplace.store, settings)
    started = time.monotonic()
    cancel_asked: float | None = None
    runner.run(_request(claimed, ticket, workplace))
    while True:
        try:
            message = runner.receive(settings.job_poll_seconds)
        except RunnerDied as death:
            return Died(death.hint)
        outcome = _outcome(message, lease)
        if outcome is not None:
            return outcome
        if workplace.stopping.is_set():
            runner.kill()
            return Drained()
        now = time.monotonic()
        if now - started > settings.job_seconds:
            runner.kill()
            return _too_long(claimed, settings.job_seconds)
        if lease.keep() and cancel_asked is None:
            cancel_asked = now
            runner.cancel(claimed.job.id)
        if cancel_asked is not None and now - cancel_asked > settings.cancel_grace_seconds:
            runner.kill()
            return Canceled(claimed.job.id)


def _outcome(message: Message | None, lease: LeaseKeeper) -> Outcome | None:
    """The outcome a message brings, if it brings one."""
    match message:
        case ProgressMade(stage=stage, done=done, total=total):
            lease.note(stage, done, total)
        case Succeeded() | Failed() | Canceled():
            return message
    return None


def _conclude(outcome: Outcome, claimed: ClaimedJob, ticket: Path, workplace: Workplace) -> None:
    """Commit the outcome under the lease; raises LeaseLost, and then nothing is written."""
    job, token = claimed.job, claimed.lease_token
    with workplace.store.begin() as tx:
        match outcome:
            case Succeeded(report=report):
                stored = _store_ticket(tx, job, report, ticket)
                kept = tx.jobs.succeed(job.id, token, stored, report)
            case Failed(code=code, detail=detail):
                kept = tx.jobs.fail(job.id, token, plain_problem(code, detail))
            case Canceled():
                kept = tx.jobs.cancel_running(job.id, token)
            case Died(hint=hint):
                kept = tx.jobs.release(job.id, token, _runner_died(hint, claimed), True)
            case Drained():
                kept = tx.jobs.release(job.id, token, _DRAINED, False)
        if not kept:
            raise LeaseLost


def _store_ticket(tx: Transaction, job: Job, report: dict[str, Any], file: Path) -> str | None:
    """Store what a construction made; its id. Other kinds have nothing but their report."""
    if job.kind is not JobKind.CONSTRUCT:
        return None
    assert job.checkpoint_id is not None
    digest = report["ticket"]["digest"]
    stored = tx.tickets.add(job.tenant_id, job.id, job.checkpoint_id, digest, report, _chunks(file))
    return stored.id


def _request(claimed: ClaimedJob, ticket: Path, workplace: Workplace) -> Run:
    def blob(sha256: str | None) -> str | None:
        return None if sha256 is None else str(workplace.blobs.path(sha256))

    return Run(
        job=claimed.job.id,
        kind=claimed.job.kind.value,
        checkpoint=blob(claimed.checkpoint_sha256),
        dataset=blob(claimed.dataset_sha256),
        specification=claimed.job.spec,
        replicates=claimed.job.replicates,
        ticket=str(ticket),
        threads=workplace.settings.runner_threads,
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(CHUNK_BYTES):
            yield data


def _too_long(claimed: ClaimedJob, seconds: float) -> Failed:
    detail = (
        f"The job ran for more than {seconds:g} s. Use a smaller base set, fewer replicates or "
        "trials, or split the network."
    )
    return Failed(claimed.job.id, "JOB_TIMEOUT", detail)


def _runner_died(hint: str, claimed: ClaimedJob) -> Problem:
    job = claimed.job
    return Problem(
        "RUNNER_DIED",
        f"The process that ran the job died in attempt {job.attempt} of {job.max_attempts}: "
        f"{hint}. Give the workers more memory or use a smaller base set, then submit again.",
    )
