"""`ltforge serve` through stops, kills and starts: the data folder is all that counts."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from tests.journeys.customer import Customer
from tests.journeys.process_table import child_running, children_of
from tests.journeys.stacks import embedded, production, stop, wait_until_ready
from tests.journeys.test_journeys import SLOW_SPEC
from tests.waiting import wait_until

pytestmark = pytest.mark.slow


def test_a_stopped_service_goes_on_where_it_was(tmp_path: Path, large_checkpoint: Path) -> None:
    with embedded(tmp_path) as first:
        customer = Customer(first.url, first.key)
        job = customer.submit(large_checkpoint, SLOW_SPEC)
        customer.constructing(job)
        customer.close()

    with embedded(tmp_path, key=first.key) as second:
        customer = Customer(second.url, first.key)
        done = customer.finished(job)
        customer.close()

    assert done["status"] == "succeeded", done
    assert done["attempt"] == 1


def test_a_service_killed_with_everything_goes_on_where_it_was(
    tmp_path: Path, large_checkpoint: Path
) -> None:
    with embedded(tmp_path, expected_status=-signal.SIGKILL) as first:
        customer = Customer(first.url, first.key)
        job = customer.submit(large_checkpoint, SLOW_SPEC)
        customer.constructing(job)
        customer.close()
        os.kill(first.supervisor, signal.SIGKILL)
        wait_until(lambda: not Path(f"/proc/{first.supervisor}/cmdline").read_bytes())

    with embedded(tmp_path, key=first.key) as second:
        customer = Customer(second.url, first.key)
        done = customer.finished(job)
        customer.close()

    assert done["status"] == "succeeded", done
    assert done["attempt"] == 2


def test_a_stopped_worker_gives_its_job_back_uncounted(
    tmp_path: Path, large_checkpoint: Path
) -> None:
    with production(tmp_path) as stack:
        customer = Customer(stack.url, stack.key)
        job = customer.submit(large_checkpoint, SLOW_SPEC)
        customer.constructing(job)

        status = stop(stack.processes["worker.celery_app"], seconds=30)
        given_back = customer.job(job)
        stack.start("worker.celery_app")
        done = customer.finished(job)
        customer.close()

    assert status == 0
    assert (given_back["status"], given_back["attempt"]) == ("queued", 0)
    assert (done["status"], done["attempt"]) == ("succeeded", 1)


def test_killed_parts_are_started_again_and_a_killed_supervisor_leaves_nothing(
    tmp_path: Path,
) -> None:
    with embedded(tmp_path, expected_status=-signal.SIGKILL) as served:
        api = child_running(served.supervisor, "uvicorn")
        assert api is not None

        os.kill(api, signal.SIGKILL)
        wait_until(lambda: child_running(served.supervisor, "uvicorn") not in {None, api})
        wait_until_ready(served.url)

        wait_until(lambda: children_of(served.worker() or 0), what="the runner is warm")
        everything = children_of(served.supervisor) + children_of(served.worker() or 0)
        os.kill(served.supervisor, signal.SIGKILL)
        wait_until(lambda: not any(Path(f"/proc/{process}").exists() for process in everything))

    assert len(everything) == 4
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/livez")
