"""Turning wake-ups into work: each one starts a worker, unless all places are taken."""

from __future__ import annotations

import threading
from collections.abc import Callable


class WorkLoop:
    """Works until nothing is left, in at most `places` threads at a time.

    A wake-up that finds all places taken is not lost: whoever works looks again before leaving.
    """

    def __init__(self, work: Callable[[], bool], places: int, stopping: Callable[[], bool]) -> None:
        self._work = work
        self._stopping = stopping
        self._free = places
        self._wakes = 0
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Work here, or leave it to those who already do."""
        with self._lock:
            self._wakes += 1
            if self._free == 0:
                return
            self._free -= 1
        while self._exhaust():
            pass

    def _exhaust(self) -> bool:
        """Work until nothing is left; whether a wake-up came meanwhile."""
        seen = self._wakes
        again = False
        try:
            while not self._stopping() and self._work():
                pass
            with self._lock:
                again = self._wakes != seen and not self._stopping()
                self._free += not again
        except BaseException:
            with self._lock:
                self._free += 1
            raise
        return again
