"""What this machine has: cores, memory, CUDA devices."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

import structlog

from service.domain import CudaDevice

_log = structlog.get_logger(__name__)

_PROBE_SECONDS = 120.0
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_CGROUP_KILLS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def cpu_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """Memory that this process may use: the machine's, or what its container is given."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [text for file in _CGROUP_LIMITS if (text := _read(file).strip()).isdigit()]
    return min([physical, *map(int, limits)])


def out_of_memory_kills() -> int:
    """Processes that the kernel has killed for want of memory so far, as far as it tells."""
    counted = 0
    for file in ("/proc/vmstat", *_CGROUP_KILLS):
        for line in _read(file).splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                counted += int(count)
    return counted


def cuda_devices() -> tuple[CudaDevice, ...]:
    """The CUDA devices that the engine can use; asked in a process of its own, as that loads it."""
    if not _has_driver():
        return ()
    command = [sys.executable, "-m", "worker.cuda_probe"]
    try:
        answer = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_PROBE_SECONDS
        )
        return tuple(CudaDevice(**device) for device in json.loads(answer.stdout))
    except (subprocess.SubprocessError, ValueError, TypeError) as failure:
        _log.warning("could not ask for CUDA devices; using none", error=str(failure))
        return ()


def _has_driver() -> bool:
    """Most machines have none, and loading the engine to learn that takes a second."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _read(file: str) -> str:
    try:
        return Path(file).read_text()
    except OSError:
        return ""
