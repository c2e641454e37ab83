"""Workers in the database: what they can do, and which jobs that lets them take."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain import CudaDevice, JobDevice, JobKind, JobRequest, JobStatus, Worker
from service.errors import Conflict
from service.store import Store

DEVICE = CudaDevice("a device", 80 << 30)


def worker(name: str, *devices: CudaDevice) -> Worker:
    return Worker(name, 4, 16 << 30, 2, devices)


def question(device: str | None) -> JobRequest:
    spec: dict[str, Any] = {} if device is None else {"device": device}
    return JobRequest(JobKind.STATISTICS, spec)


def announce(store: Store, *workers: Worker, seconds: float = 60) -> None:
    with store.begin() as tx:
        for one in workers:
            tx.workers.announce(one, seconds)


def submit(store: Store, *devices: str | None) -> list[str]:
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        return [tx.jobs.add(tenant_id, question(device)).id for device in devices]


def claim_all(store: Store, device: JobDevice) -> list[str]:
    claimed: list[str] = []
    while True:
        with store.begin() as tx:
            found = tx.jobs.claim("worker", 60, device)
        if found is None:
            return claimed
        claimed.append(found.job.id)


def test_workers_say_what_they_can_do_until_they_stop(store: Store) -> None:
    first, second = worker("first", DEVICE, DEVICE), worker("second")
    announce(store, first, second)
    announce(store, worker("dead"), seconds=-1)

    with store.begin() as tx:
        alive = tx.workers.alive()
        tx.workers.retire("first")

    assert alive == [first, second]
    with store.read() as tx:
        assert tx.workers.alive() == [second]
        assert not tx.workers.cuda_is_alive()


def test_each_place_takes_the_jobs_for_its_device_and_those_for_any(store: Store) -> None:
    announce(store, worker("gpu", DEVICE))
    for_cpu, for_cuda, for_any, unsaid = submit(store, "cpu", "cuda", "auto", None)

    assert claim_all(store, JobDevice.CUDA) == [for_cuda, for_any]
    assert claim_all(store, JobDevice.CPU) == [for_cpu, unsaid]


def test_a_job_on_cuda_is_refused_while_no_worker_with_a_device_is_known(store: Store) -> None:
    announce(store, worker("processor"))

    with pytest.raises(Conflict) as refusal:
        submit(store, "cuda")

    assert refusal.value.code == "NO_CUDA_WORKER"
    assert "auto" in refusal.value.detail


def test_a_job_on_cuda_waits_with_its_reason_while_the_known_workers_are_away(
    store: Store,
) -> None:
    announce(store, worker("gpu", DEVICE))
    with store.begin() as tx:
        tx.workers.retire("gpu")
    waiting, other = submit(store, "cuda", "auto")
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        reasons = {job.id: job.waiting_for for job in tx.jobs.list(tenant_id, 10)}

    assert reasons[other] is None
    reason = reasons[waiting]
    assert reason is not None
    assert reason.code == "NO_CUDA_WORKER"

    announce(store, worker("gpu", DEVICE))

    with store.read() as tx:
        job = tx.jobs.get(tenant_id, waiting)
    assert (job.status, job.waiting_for) == (JobStatus.QUEUED, None)


def test_wake_ups_name_the_device(store: Store) -> None:
    announce(store, worker("gpu", DEVICE))

    submit(store, "cpu", "cuda", "auto")

    with store.read() as tx:
        kinds = sorted(message.kind for message in tx.outbox.pending(10))
    assert kinds == ["auto", "cpu", "cuda"]


def test_workers_that_ended_long_ago_are_forgotten(store: Store) -> None:
    announce(store, worker("old", DEVICE), seconds=-100)
    announce(store, worker("new"))

    with store.begin() as tx:
        assert tx.workers.forget(50) == 1

    with pytest.raises(Conflict):
        submit(store, "cuda")
