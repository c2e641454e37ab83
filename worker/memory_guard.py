"""Watching what a runner occupies, so that one job cannot take the machine's memory from all."""

from __future__ import annotations

import time

from worker.machine import out_of_memory_kills
from worker.runner_process import RunnerProcess

_SECONDS_BETWEEN = 0.5
_MEBIBYTE = 1 << 20


class MemoryGuard:
    """Over one attempt: looks at its runner now and then."""

    def __init__(self, runner: RunnerProcess, limit: int) -> None:
        self._runner = runner
        self._limit = limit
        self._looked = time.monotonic()
        self._kills = out_of_memory_kills()
        self._seen = 0

    def exceeded(self, now: float) -> bool:
        """Whether the runner occupies more than it may."""
        if now - self._looked < _SECONDS_BETWEEN:
            return False
        self._looked = now
        self._seen = self._runner.memory
        return self._seen > self._limit

    def ran_out(self) -> bool:
        """Whether the kernel has killed for want of memory meanwhile."""
        return out_of_memory_kills() > self._kills

    @property
    def hint(self) -> str:
        """What was seen, and what is allowed."""
        return (
            f"it occupied {self._seen // _MEBIBYTE} MiB, and a runner here may occupy "
            f"{self._limit // _MEBIBYTE} MiB (LTFORGE_RUNNER_MEMORY_LIMIT_BYTES)"
        )
