"""A workplace whose runners are fakes that speak the real protocol."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.domain import CudaDevice, Job, JobKind, JobRequest
from service.settings import Settings
from service.store import Store
from worker.runner_process import RunnerProcess
from worker.workplace import Workplace, open_workplace

FAKE_RUNNER = Path(__file__).with_name("fake_runner.py")

Submit = Callable[..., Job]


def start_fake_runner(*, visible_devices: str = "", threads: int = 1) -> RunnerProcess:
    command = [sys.executable, str(FAKE_RUNNER), str(os.getpid())]
    return RunnerProcess(command, visible_devices=visible_devices, threads=threads)


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        data=tmp_path,
        database_url=database_url,
        heartbeat_seconds=0.2,
        progress_seconds=0.1,
        job_poll_seconds=0.1,
        cancel_grace_seconds=0.5,
        rewake_seconds=0.1,
        runner_jobs=3,
    )


@pytest.fixture
def workplace(settings: Settings) -> Iterator[Workplace]:
    opened = open_workplace(settings, start_fake_runner)
    yield opened
    opened.close()


@pytest.fixture
def cuda_workplace(settings: Settings) -> Iterator[Workplace]:
    """A workplace that believes in two CUDA devices; its runners never look at them."""
    devices = (CudaDevice("one", 1 << 30), CudaDevice("two", 1 << 30))
    opened = open_workplace(settings, start_fake_runner, devices)
    yield opened
    opened.close()


@pytest.fixture
def submit(store: Store) -> Submit:
    """Submit a job on a ready checkpoint; the fake runner behaves as told."""
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})

    def submit_one(
        behaviour: str,
        kind: JobKind = JobKind.CONSTRUCT,
        device: str = "cpu",
        **fields: Any,
    ) -> Job:
        request = JobRequest(
            kind,
            {"behave": behaviour, "device": device},
            None if kind is JobKind.STATISTICS else checkpoint.id,
            replicates=4 if kind is JobKind.ESTIMATE else None,
            **fields,
        )
        with store.begin() as tx:
            return tx.jobs.add(tenant_id, request)

    return submit_one
