"""Attempts: with real processes and databases, and a runner that computes nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from service.domain import Job, JobKind, JobStatus
from service.settings import Settings
from service.store import Store
from tests.waiting import wait_until
from tests.worker.conftest import start_fake_runner
from worker.execution import work_one_job
from worker.runner_process import RunnerProcess
from worker.workplace import Workplace, open_workplace

Submit = Callable[..., Job]


def current(store: Store, job: Job) -> Job:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id)


def constructing(store: Store, job: Job) -> bool:
    return current(store, job).progress.stage == "construct"


@contextmanager
def working(workplace: Workplace) -> Iterator[threading.Thread]:
    """One attempt under way in a thread, at its end when the block ends."""
    thread = threading.Thread(target=work_one_job, args=(workplace,))
    thread.start()
    yield thread
    thread.join(timeout=20)
    assert not thread.is_alive()


def only_runner(workplace: Workplace) -> int:
    """The process id of the idle runner."""
    with workplace.runners.borrow() as runner:
        return runner.process_id


def test_without_jobs_there_is_nothing_to_do(workplace: Workplace) -> None:
    assert work_one_job(workplace) is False


def test_success_stores_ticket_report_and_state(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("succeed")

    assert work_one_job(workplace)

    done = current(store, job)
    assert done.status is JobStatus.SUCCEEDED
    assert done.progress.fraction == 1.0
    assert done.ticket_id is not None
    with store.read() as tx:
        ticket = tx.tickets.get(job.tenant_id, done.ticket_id)
        assert tx.tickets.read_chunk(ticket.id, 0) == b"a ticket"
    assert ticket.digest == "d"
    assert done.report == ticket.report
    assert list(workplace.settings.scratch.iterdir()) == []


WITHOUT_TICKET = [JobKind.ESTIMATE, JobKind.STATISTICS, JobKind.PLAN]


@pytest.mark.parametrize("kind", WITHOUT_TICKET)
def test_other_kinds_bring_a_report_and_no_ticket(
    workplace: Workplace, store: Store, submit: Submit, kind: JobKind
) -> None:
    job = submit("report", kind=kind)

    assert work_one_job(workplace)

    done = current(store, job)
    canonical = None if kind is JobKind.STATISTICS else str(workplace.blobs.path("c" * 64))
    assert done.status is JobStatus.SUCCEEDED
    assert done.ticket_id is None
    assert done.report == {
        "kind": kind,
        "checkpoint": canonical,
        "replicates": 4 if kind is JobKind.ESTIMATE else None,
    }
    with store.read() as tx:
        assert tx.tickets.list(job.tenant_id, 10) == []


@pytest.mark.parametrize("kind", WITHOUT_TICKET)
def test_every_kind_is_canceled_and_given_back_alike(
    workplace: Workplace, store: Store, submit: Submit, kind: JobKind
) -> None:
    assert cancel_and_time(workplace, store, submit("hang", kind=kind)) < 2

    killed = submit("die", kind=kind)
    assert work_one_job(workplace)

    assert (current(store, killed).status, current(store, killed).attempt) == (JobStatus.QUEUED, 1)


def test_a_failed_job_says_why(workplace: Workplace, store: Store, submit: Submit) -> None:
    job = submit("fail")

    work_one_job(workplace)

    failed = current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert (failed.error.code, failed.error.detail) == (
        "UNSOLVED_PROBLEMS",
        "3 problems have no solution",
    )


def test_progress_is_seen_while_the_job_runs(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("hang")

    with working(workplace):
        wait_until(lambda: constructing(store, job))
        seen = current(store, job)
        with store.begin() as tx:
            tx.jobs.cancel(job.tenant_id, job.id)

    assert (seen.progress.done, seen.progress.total) == (1, 2)
    assert 0 < seen.progress.fraction < 1


def cancel_and_time(workplace: Workplace, store: Store, job: Job) -> float:
    with working(workplace):
        wait_until(lambda: constructing(store, job))
        asked = time.monotonic()
        with store.begin() as tx:
            tx.jobs.cancel(job.tenant_id, job.id)
        wait_until(lambda: current(store, job).status.terminal)
        took = time.monotonic() - asked
    assert current(store, job).status is JobStatus.CANCELED
    return took


def test_a_canceled_job_stops_within_two_seconds_and_keeps_the_runner_warm(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    workplace.runners.warm()
    runner = only_runner(workplace)

    took = cancel_and_time(workplace, store, submit("hang"))

    assert took < 2
    assert only_runner(workplace) == runner


def test_a_runner_that_ignores_cancellation_is_killed_within_two_seconds(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    assert cancel_and_time(workplace, store, submit("stubborn")) < 2


def test_a_killed_runner_costs_one_attempt_and_the_job_is_queued_at_once(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("hang")
    workplace.runners.warm()
    runner = only_runner(workplace)

    with working(workplace):
        wait_until(lambda: constructing(store, job))
        os.kill(runner, signal.SIGKILL)

    again = current(store, job)
    assert (again.status, again.attempt) == (JobStatus.QUEUED, 1)
    with working(workplace):
        wait_until(lambda: constructing(store, job))
        assert current(store, job).attempt == 2
        with store.begin() as tx:
            tx.jobs.cancel(job.tenant_id, job.id)


def test_a_job_that_kills_every_runner_fails_with_a_hint(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("die", max_attempts=2)

    attempts = 0
    while work_one_job(workplace):
        attempts += 1

    failed = current(store, job)
    assert attempts == 2
    assert failed.error is not None
    assert failed.error.code == "RUNNER_DIED"
    assert "status 3" in failed.error.detail


def test_a_lost_lease_ends_the_attempt_without_a_trace(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("hang")

    with working(workplace):
        wait_until(lambda: constructing(store, job))
        with store.begin() as tx:
            token = tx.jobs.lease_tokens().pop()
            tx.jobs.heartbeat(job.id, token, -1, None)
            tx.jobs.reap()

    assert current(store, job).status is JobStatus.QUEUED
    assert current(store, job).ticket_id is None


def test_a_stopping_worker_gives_its_job_back_uncounted(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("hang")

    with working(workplace):
        wait_until(lambda: constructing(store, job))
        workplace.stopping.set()

    assert current(store, job).status is JobStatus.QUEUED
    assert current(store, job).attempt == 0


def test_a_runner_serves_several_jobs_and_is_then_replaced(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    worn = workplace.settings.runner_jobs
    jobs = [submit("succeed") for _ in range(worn + 1)]

    while work_one_job(workplace):
        pass

    reports = [current(store, job).report for job in jobs]
    runners = [report["runner"] for report in reports if report is not None]
    assert len(set(runners[:worn])) == 1
    assert runners[worn] != runners[0]


def read_log(store: Store, job: Job) -> list[str]:
    with store.read() as tx:
        return tx.logs.read(job.id).decode().splitlines()


def test_an_attempt_leaves_a_log(workplace: Workplace, store: Store, submit: Submit) -> None:
    job = submit("fail")

    work_one_job(workplace)

    lines = [line.partition(" ")[2] for line in read_log(store, job)]
    assert lines == [
        f"attempt 1 of 3 started on {workplace.name}",
        "stage construct",
        "failed with UNSOLVED_PROBLEMS: 3 problems have no solution",
    ]


def test_what_the_runner_says_is_in_the_log_as_plain_text(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("talk")

    work_one_job(workplace)

    said = [line.partition(" ")[2] for line in read_log(store, job)]
    assert "a warning\N{REPLACEMENT CHARACTER}[2J" in said


def test_a_job_that_exceeds_its_own_timeout_fails(
    workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("stubborn", timeout_s=0.3)

    work_one_job(workplace)

    failed = current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "JOB_TIMEOUT"
    assert "0.3 s" in failed.error.detail


def start_dead_weight(*, visible_devices: str = "", threads: int = 1) -> RunnerProcess:
    """A runner that listens and never says a word."""
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    return RunnerProcess(command, visible_devices=visible_devices, threads=threads)


def test_a_runner_that_never_gets_ready_costs_an_attempt_and_says_so(
    settings: Settings, store: Store, submit: Submit
) -> None:
    impatient = settings.model_copy(update={"runner_start_seconds": 0.2})
    opened = open_workplace(impatient, start_dead_weight)
    job = submit("succeed", max_attempts=1)

    work_one_job(opened)
    opened.close()

    failed = current(store, job)
    assert failed.error is not None
    assert failed.error.code == "RUNNER_DIED"
    assert "not ready after 0.2 s" in failed.error.detail


def test_a_worn_runner_is_replaced_before_the_next_job_asks(
    settings: Settings, store: Store, submit: Submit
) -> None:
    started: list[RunnerProcess] = []

    def start(*, visible_devices: str, threads: int) -> RunnerProcess:
        started.append(start_fake_runner(visible_devices=visible_devices, threads=threads))
        return started[-1]

    opened = open_workplace(settings.model_copy(update={"runner_jobs": 1}), start)
    submit("succeed")

    work_one_job(opened)

    assert [runner.alive for runner in started] == [False, True]
    opened.close()
    assert not any(runner.alive for runner in started)
