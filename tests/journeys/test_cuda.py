"""A worker with a CUDA device: the same tickets as without, one job at a time on it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ltengine.device import WORTH_A_DEVICE, cuda_is_available
from service.domain import Worker
from service.store import open_store
from tests.journeys.conftest import network, saved
from tests.journeys.customer import Customer
from tests.journeys.stacks import Embedded, embedded
from tests.journeys.test_journeys import SPEC
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.gpu]

WIDTHS = (120, 80, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the product keeps its state; skips where there is no device."""
    if not cuda_is_available():
        pytest.skip("no usable CUDA device on this machine: `ltforge doctor` says what is missing")
    return tmp_path_factory.mktemp("cuda")


@pytest.fixture(scope="module")
def stack(folder: Path) -> Iterator[Embedded]:
    """The embedded form with one device, however many this machine has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LTFORGE_CUDA_DEVICES", "1")
        with embedded(folder) as running:
            # The API answers before the worker has asked for devices.
            wait_until(lambda: living_workers(folder), 60, "the worker is there")
            yield running


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Path:
    """Large enough for `auto` to take the device."""
    tensors = network(WIDTHS, seed=3)
    assert sum(tensor.size for tensor in tensors.values()) >= WORTH_A_DEVICE
    return saved(tensors, folder / "checkpoint")


def on(device: str) -> dict[str, Any]:
    return SPEC | {"device": device}


def living_workers(folder: Path) -> list[Worker]:
    store = open_store(f"sqlite:///{folder}/data/ltforge.sqlite")
    with store.read() as tx:
        workers = tx.workers.alive()
    store.dispose()
    return workers


def times(job: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(job["started_at"]), datetime.fromisoformat(job["finished_at"])


def digest_on(customer: Customer, checkpoint: Path, device: str, used: str) -> str:
    done = customer.finished(customer.submit(checkpoint, on(device)))
    assert done["status"] == "succeeded", done
    assert done["metrics"]["device"] == used
    return str(done["metrics"]["ticket"]["digest"])


def test_the_worker_registers_its_device(stack: Embedded, folder: Path) -> None:
    (worker,) = living_workers(folder)

    (device,) = worker.cuda_devices
    assert device.name
    assert device.memory_bytes > 1 << 30


def test_the_processor_and_the_device_make_the_same_ticket(
    customer: Customer, checkpoint: Path
) -> None:
    device = digest_on(customer, checkpoint, "cuda", "cuda")

    assert device == digest_on(customer, checkpoint, "cpu", "cpu")


def test_where_a_job_without_a_wish_runs_does_not_show_in_its_ticket(
    customer: Customer, checkpoint: Path
) -> None:
    """Either place may take it: two at once are taken by both."""
    jobs = [customer.submit(checkpoint, on("auto")) for _ in range(2)]

    done = [customer.finished(job) for job in jobs]

    assert [job["status"] for job in done] == ["succeeded"] * 2, done
    assert {job["metrics"]["device"] for job in done} <= {"cpu", "cuda"}
    digests = {job["metrics"]["ticket"]["digest"] for job in done}
    assert digests == {digest_on(customer, checkpoint, "cpu", "cpu")}


def test_a_device_works_on_one_job_at_a_time(customer: Customer, checkpoint: Path) -> None:
    jobs = [
        customer.submit(checkpoint, on("cuda") | {"source": {"seed": seed}}) for seed in range(2)
    ]

    first, second = sorted(times(customer.finished(job)) for job in jobs)

    assert first[1] <= second[0]
