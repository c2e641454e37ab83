"""Worker processes: what each of them can do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CudaDevice:
    """One CUDA device of a machine."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process and its means; it runs `job_slots` jobs beside one on each CUDA device."""

    name: str
    cpu_cores: int
    memory_bytes: int
    job_slots: int
    cuda_devices: tuple[CudaDevice, ...]
