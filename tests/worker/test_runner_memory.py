"""A runner that takes too much memory ends its attempt by name, and no job does so for ever."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from service.domain import Job, JobStatus
from service.settings import Settings
from service.store import Store
from tests.worker.conftest import start_fake_runner
from worker.execution import work_one_job
from worker.process_memory import group_memory
from worker.runner_process import runner_environment
from worker.workplace import Workplace, open_workplace

Submit = Callable[..., Job]


@pytest.fixture
def small_workplace(settings: Settings) -> Iterator[Workplace]:
    """Where a runner may occupy 200 MiB."""
    limited = settings.model_copy(update={"runner_memory_limit_bytes": 200 << 20})
    opened = open_workplace(limited, start_fake_runner)
    yield opened
    opened.close()


def current(store: Store, job: Job) -> Job:
    with store.read() as tx:
        return tx.jobs.get(job.tenant_id, job.id)


def test_a_runner_beyond_its_memory_is_killed_and_costs_one_attempt(
    small_workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("swell")

    assert work_one_job(small_workplace)

    again = current(store, job)
    assert (again.status, again.attempt) == (JobStatus.QUEUED, 1)


def test_a_job_that_needs_too_much_memory_fails_by_name_with_a_hint_and_never_loops(
    small_workplace: Workplace, store: Store, submit: Submit
) -> None:
    job = submit("swell", max_attempts=2)
    other = submit("succeed")

    attempts = 0
    while work_one_job(small_workplace):
        attempts += 1

    failed = current(store, job)
    assert attempts == 3
    assert failed.status is JobStatus.FAILED
    assert failed.error is not None
    assert failed.error.code == "RUNNER_OUT_OF_MEMORY"
    assert "200 MiB" in failed.error.detail
    assert "smaller base set" in failed.error.detail
    assert current(store, other).status is JobStatus.SUCCEEDED


def test_a_runner_that_has_grown_is_replaced_after_its_job(
    settings: Settings, store: Store, submit: Submit
) -> None:
    wary = open_workplace(settings.model_copy(update={"runner_memory_bytes": 1}), start_fake_runner)
    jobs = [submit("succeed") for _ in range(2)]

    while work_one_job(wary):
        pass
    wary.close()

    reports = [current(store, job).report or {} for job in jobs]
    assert reports[0]["runner"] != reports[1]["runner"]


def test_the_memory_of_a_group_is_that_of_its_processes() -> None:
    own = group_memory(os.getpgid(0))

    assert own > 10 << 20
    assert group_memory(2**22 + 1) == 0


def test_each_place_shows_its_runner_one_device_or_none(
    cuda_workplace: Workplace, store: Store, submit: Submit
) -> None:
    places = [*cuda_workplace.cuda_places, *cuda_workplace.cpu_places]
    with store.begin() as tx:
        tx.workers.announce(cuda_workplace.describe(), 60)
    jobs = [submit("succeed", device="auto") for _ in places]

    for place in places:
        assert work_one_job(cuda_workplace, place)

    seen = [(current(store, job).report or {})["devices"] for job in jobs]
    assert seen == ["0", "1", ""]


def test_devices_are_numbered_among_those_that_the_worker_itself_may_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")

    shown = [runner_environment(number)["CUDA_VISIBLE_DEVICES"] for number in ("0", "1", "")]

    assert shown == ["3", "5", ""]


def test_every_library_of_a_runner_divides_its_loops_by_the_threads_it_is_given() -> None:
    asked = "import numba, torch; print(numba.get_num_threads(), torch.get_num_threads())"

    counted = subprocess.run(
        [sys.executable, "-c", asked],
        env=runner_environment(threads=1),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert counted.split() == ["1", "1"]
