"""The warm runners of one worker process: one per job slot, replaced when worn or dead."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from service.settings import Settings
from worker.runner_process import RunnerProcess


class RunnerPool:
    """Lends each runner to one job at a time."""

    def __init__(
        self, settings: Settings, start: Callable[[], RunnerProcess] = RunnerProcess
    ) -> None:
        self._settings = settings
        self._start = start
        # The last one used is the warmest.
        self._idle: queue.LifoQueue[RunnerProcess] = queue.LifoQueue()

    def warm(self) -> None:
        """Start a runner ahead of the first job."""
        self._idle.put(self._start())

    @contextmanager
    def borrow(self) -> Iterator[RunnerProcess]:
        """A living runner; an exception inside means its state is unknown, so it is ended."""
        runner = self._take()
        try:
            yield runner
        except BaseException:
            runner.kill()
            raise
        if not runner.alive:
            runner.kill()
        elif self._worn(runner):
            runner.kill()
            # Now, so that the next job finds it warm.
            self.warm()
        else:
            self._idle.put(runner)

    def close(self) -> None:
        """End all idle runners."""
        while True:
            try:
                self._idle.get_nowait().kill()
            except queue.Empty:
                return

    def _take(self) -> RunnerProcess:
        while True:
            try:
                runner = self._idle.get_nowait()
            except queue.Empty:
                return self._start()
            if runner.alive:
                return runner
            runner.kill()

    def _worn(self, runner: RunnerProcess) -> bool:
        """Memory that a process hoarded returns only at its end."""
        return (
            runner.jobs >= self._settings.runner_jobs
            or runner.memory > self._settings.runner_memory_bytes
        )
