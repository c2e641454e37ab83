"""What one worker process has at hand."""

from __future__ import annotations

import os
import socket
import threading
from dataclasses import dataclass, field
from functools import partial

from service.domain import CudaDevice, JobDevice, Worker
from service.settings import Settings
from service.store import Store, open_store
from service.store.blobs import LocalBlobStore
from worker.machine import cpu_cores, memory_bytes
from worker.runner_pool import RunnerPool
from worker.runner_process import RunnerProcess, StartRunner


def process_name() -> str:
    """How this process signs its leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


# What the machine keeps for itself, the worker and its neighbours.
_SHARE_OF_MEMORY = 0.9


@dataclass(frozen=True, slots=True)
class Place:
    """Where one job at a time runs, on the processor or on one CUDA device of its own."""

    device: JobDevice
    runners: RunnerPool


@dataclass(frozen=True)
class Workplace:
    """Settings, state, runners, and the wish to stop.

    `runners` work on the processor for all places there; each of `cuda_runners` has a device.
    """

    settings: Settings
    store: Store
    blobs: LocalBlobStore
    runners: RunnerPool
    cuda_runners: tuple[RunnerPool, ...] = ()
    cuda_devices: tuple[CudaDevice, ...] = ()
    name: str = field(default_factory=process_name)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def cpu_places(self) -> list[Place]:
        """As many as the settings say."""
        return [Place(JobDevice.CPU, self.runners)] * self.settings.job_slots

    @property
    def cuda_places(self) -> list[Place]:
        """One for each device."""
        return [Place(JobDevice.CUDA, runners) for runners in self.cuda_runners]

    @property
    def runner_memory_limit(self) -> int:
        """Bytes beyond which a runner is killed: as set, or its share of this machine."""
        places = self.settings.job_slots + len(self.cuda_runners)
        return self.settings.runner_memory_limit_bytes or int(
            _SHARE_OF_MEMORY * memory_bytes() / places
        )

    def describe(self) -> Worker:
        """What this worker says of itself."""
        return Worker(
            self.name, cpu_cores(), memory_bytes(), self.settings.job_slots, self.cuda_devices
        )

    def close(self) -> None:
        """End the runners and the database connections."""
        for runners in (self.runners, *self.cuda_runners):
            runners.close()
        self.store.dispose()


def open_workplace(
    settings: Settings,
    start_runner: StartRunner = RunnerProcess,
    cuda_devices: tuple[CudaDevice, ...] = (),
) -> Workplace:
    """A workplace on the state that the settings name, with so many CUDA devices."""
    threads = settings.runner_threads or max(1, cpu_cores() // settings.job_slots)
    start_runner = partial(start_runner, threads=threads)
    settings.scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Workplace(
        settings=settings,
        store=open_store(settings.database_url, settings.limits),
        blobs=LocalBlobStore(settings.blobs),
        # Hidden from runners that share the processor: a device works on one job at a time.
        runners=RunnerPool(settings, partial(start_runner, visible_devices="")),
        cuda_runners=tuple(
            RunnerPool(settings, partial(start_runner, visible_devices=str(number)))
            for number in range(len(cuda_devices))
        ),
        cuda_devices=cuda_devices,
    )
