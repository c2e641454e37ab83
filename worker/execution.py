"""One attempt at one job: give it to a runner, watch over both, commit how it ended."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from opentelemetry.trace import Span

from service.domain import ClaimedJob, Job, JobKind, Problem
from service.errors import StorageUnavailable
from service.store import Transaction
from service.store.tickets import CHUNK_BYTES
from service.tracing import mark_failed
from worker.job_log import JobLog
from worker.lease import LeaseKeeper, LeaseLost, leases_of
from worker.marks import marked_attempt, origin
from worker.memory_guard import MemoryGuard
from worker.plain_text import plain_problem
from worker.protocol import Canceled, Divided, Failed, Logged, Message, ProgressMade, Run, Succeeded
from worker.runner_process import RunnerDied, RunnerProcess
from worker.shards import divide, division, makes_part, pieces, work_kind
from worker.ticket_files import add_reports, fetch_tickets, keep_blob
from worker.workplace import Place, Workplace

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Drained:
    """The worker is stopping; the job goes back to the queue."""


@dataclass(frozen=True, slots=True)
class Died:
    """The runner died under the job; whether for want of memory, and what is known of it."""

    hint: str
    out_of_memory: bool

    @property
    def code(self) -> str:
        """The failure's name."""
        return "RUNNER_OUT_OF_MEMORY" if self.out_of_memory else "RUNNER_DIED"


Outcome = Succeeded | Divided | Failed | Canceled | Died | Drained

RESULT = "result"
"""What a runner calls the file that a job makes."""

_DRAINED = Problem("WORKER_STOPPED", "The worker was stopped; another one takes the job.")


def work_one_job(workplace: Workplace, place: Place | None = None) -> bool:
    """Claim the next job for a place and bring this attempt to its end; False if there was none."""
    place = place or workplace.cpu_places[0]
    claimed = _claim(workplace, place)
    if claimed is None:
        return False
    with marked_attempt(claimed) as begun:
        _work(claimed, workplace, place, begun)
    return True


def _work(claimed: ClaimedJob, workplace: Workplace, place: Place, begun: Span) -> None:
    """One attempt, from its start to its commit."""
    shard = None if claimed.shard is None else claimed.shard.index
    _log.info("job started", shard=shard)
    folder = workplace.settings.scratch / claimed.lease_token
    folder.mkdir(mode=0o700)
    written = JobLog(workplace.settings.job_log_bytes)
    job = claimed.job
    part = "" if shard is None else f"shard {shard}: "
    number = _attempt_number(claimed)
    written.write(f"{part}attempt {number} of {job.max_attempts} started on {workplace.name}")
    try:
        outcome = _attempt(claimed, folder, workplace, place, written)
        written.write(part + _last_line(outcome))
        _conclude(outcome, claimed, folder / RESULT, workplace, written)
        _log.info("attempt ended", outcome=type(outcome).__name__)
        _mark(begun, outcome)
    except LeaseLost:
        _log.warning("lease lost; the attempt leaves no trace")
        mark_failed(begun, "LEASE_LOST")
    finally:
        shutil.rmtree(folder)


def _mark(begun: Span, outcome: Outcome) -> None:
    """Let the attempt's span say how it ended."""
    begun.set_attribute("ltforge.outcome", type(outcome).__name__.lower())
    match outcome:
        case Failed(code=code):
            mark_failed(begun, code)
        case Died() as died:
            mark_failed(begun, died.code)


def _claim(workplace: Workplace, place: Place) -> ClaimedJob | None:
    """The next job, or shard of one, for a place."""
    name, seconds = workplace.name, workplace.settings.lease_seconds
    with workplace.store.begin() as tx:
        return (
            tx.shards.claim(name, seconds, place.device)
            or tx.jobs.claim(name, seconds, place.device)
            # The job that was to go first went to somebody else meanwhile.
            or tx.shards.claim(name, seconds, place.device, even_before_jobs=True)
        )


def _attempt_number(claimed: ClaimedJob) -> int:
    return claimed.job.attempt if claimed.shard is None else claimed.shard.attempt


def _attempt(
    claimed: ClaimedJob, folder: Path, workplace: Workplace, place: Place, written: JobLog
) -> Outcome:
    """Fetch what the job works on, and let a runner do it; raises LeaseLost."""
    tickets = fetch_tickets(claimed.job, folder, workplace.store)
    if isinstance(tickets, Failed):
        return tickets
    request = _request(claimed, tickets, folder / RESULT, workplace)
    with place.runners.borrow() as runner:
        return _attend(claimed, runner, request, workplace, written)


def _attend(
    claimed: ClaimedJob,
    runner: RunnerProcess,
    request: Run,
    workplace: Workplace,
    written: JobLog,
) -> Outcome:
    """Stay with the runner until the attempt has an outcome; raises LeaseLost."""
    settings = workplace.settings
    lease = LeaseKeeper(claimed, workplace.store, settings, written)
    started = time.monotonic()
    longest = min(settings.job_seconds, claimed.job.timeout_s or settings.job_seconds)
    # A shard has what its job has left.
    spent = 0.0 if claimed.shard is None else claimed.shard.job_seconds
    cancel_asked: float | None = None
    memory = MemoryGuard(runner, workplace.runner_memory_limit)
    runner.run(request)
    while True:
        try:
            message = runner.receive(settings.job_poll_seconds)
        except RunnerDied as death:
            return Died(death.hint, death.killed and memory.ran_out())
        outcome = _outcome(message, lease, written)
        if outcome is not None:
            return outcome
        if workplace.stopping.is_set():
            runner.kill()
            return Drained()
        now = time.monotonic()
        if not runner.ready and now - started > settings.runner_start_seconds:
            runner.kill()
            return Died(f"it was not ready after {settings.runner_start_seconds:g} s", False)
        if memory.exceeded(now):
            runner.kill()
            return Died(memory.hint, out_of_memory=True)
        if spent + now - started > longest:
            runner.kill()
            return _too_long(claimed, longest)
        if lease.keep() and cancel_asked is None:
            cancel_asked = now
            runner.cancel(claimed.job.id)
        if cancel_asked is not None and now - cancel_asked > settings.cancel_grace_seconds:
            runner.kill()
            return Canceled(claimed.job.id)


def _outcome(message: Message | None, lease: LeaseKeeper, written: JobLog) -> Outcome | None:
    """The outcome a message brings, if it brings one."""
    match message:
        case ProgressMade(stage=stage, done=done, total=total):
            if lease.note(stage, done, total):
                written.write(f"stage {stage}")
        case Logged(line=line):
            written.write(line)
        case Succeeded() | Divided() | Failed() | Canceled():
            return message
    return None


def _last_line(outcome: Outcome) -> str:
    """How the attempt ended, for its log."""
    match outcome:
        case Failed(code=code, detail=detail):
            return f"failed with {code}: {detail}"
        case Died(hint=hint):
            return f"the runner died: {hint}"
        case Drained():
            return "the worker is stopping; another one takes the job"
    return type(outcome).__name__.lower()


def _conclude(
    outcome: Outcome, claimed: ClaimedJob, ticket: Path, workplace: Workplace, written: JobLog
) -> None:
    """Commit the outcome under the lease; raises LeaseLost, and then nothing is written.

    A database that is away is asked again for as long as the lease lasts: the work is done.
    """
    deadline = time.monotonic() + workplace.settings.lease_seconds
    while True:
        try:
            return _commit(outcome, claimed, ticket, workplace, written)
        except StorageUnavailable as failure:
            if time.monotonic() > deadline:
                raise LeaseLost from failure
            _log.warning("could not commit an outcome", error=failure.detail)
            time.sleep(workplace.settings.job_poll_seconds)


def _commit(
    outcome: Outcome, claimed: ClaimedJob, ticket: Path, workplace: Workplace, written: JobLog
) -> None:
    """Commit the outcome in one transaction; raises LeaseLost."""
    job, lease, token = claimed.job, claimed.lease_id, claimed.lease_token
    blob: tuple[str, int] | None = None
    if _leaves_file(outcome, claimed):
        blob = keep_blob(ticket, workplace.blobs)
    with workplace.store.begin() as tx:
        leases = leases_of(tx, claimed)
        match outcome:
            case Succeeded(report=report) if makes_part(claimed) and blob is not None:
                kept = tx.shards.finish(lease, token, blob[0], report)
            case Succeeded(report=report):
                stored = _store_ticket(tx, job, report, ticket)
                kept = leases.succeed(lease, token, stored, report)
                if blob is not None:
                    tx.exports.finish(job.spec["ticket_id"], job.spec["format"], *blob)
            case Divided() as divided:
                kept = divide(tx, claimed, divided, None if blob is None else blob[0])
            case Failed(code=code, detail=detail):
                kept = leases.fail(lease, token, plain_problem(code, detail))
            case Canceled():
                kept = leases.cancel_running(lease, token)
            case Died() as died:
                kept = leases.release(lease, token, _runner_died(died, claimed), True)
            case Drained():
                kept = leases.release(lease, token, _DRAINED, False)
        if not kept:
            raise LeaseLost
        tx.logs.append(job.id, written.peek())


def _leaves_file(outcome: Outcome, claimed: ClaimedJob) -> bool:
    """Whether what was made is kept as a blob."""
    match outcome:
        case Succeeded():
            return claimed.job.kind is JobKind.EXPORT or makes_part(claimed)
        case Divided(left=left):
            return left is not None
    return False


def _store_ticket(tx: Transaction, job: Job, report: dict[str, Any], file: Path) -> str | None:
    """Store what a construction made; its id. Other kinds have nothing but their report."""
    if job.kind is not JobKind.CONSTRUCT:
        return None
    assert job.checkpoint_id is not None
    digest = report["ticket"]["digest"]
    stored = tx.tickets.add(job.tenant_id, job.id, job.checkpoint_id, digest, report, _chunks(file))
    return stored.id


def _request(claimed: ClaimedJob, tickets: list[Path], ticket: Path, workplace: Workplace) -> Run:
    def blob(sha256: str | None) -> str | None:
        return None if sha256 is None else str(workplace.blobs.path(sha256))

    return Run(
        job=claimed.job.id,
        kind=work_kind(claimed),
        checkpoint=blob(claimed.checkpoint_sha256),
        dataset=blob(claimed.dataset_sha256),
        specification=add_reports(claimed.job, workplace.store),
        replicates=claimed.job.replicates,
        tickets=[str(file) for file in tickets],
        ticket=str(ticket),
        origin=origin(claimed),
        division=division(claimed, workplace.settings),
        shard=None if claimed.shard is None else claimed.shard.document,
        pieces=pieces(claimed, workplace.blobs),
    )


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(CHUNK_BYTES):
            yield data


def _too_long(claimed: ClaimedJob, seconds: float) -> Failed:
    detail = (
        f"The job ran for more than {seconds:g} s. Raise its timeout_s, or use a smaller base set, "
        "fewer replicates or trials, or split the network."
    )
    return Failed(claimed.job.id, "JOB_TIMEOUT", detail)


def _runner_died(died: Died, claimed: ClaimedJob) -> Problem:
    job = claimed.job
    return Problem(
        died.code,
        f"The process that ran the job died in attempt {_attempt_number(claimed)} of "
        f"{job.max_attempts}: "
        f"{died.hint}. Give the workers more memory or use a smaller base set, then submit again.",
    )
