"""Turning wake-ups into work: each one starts a worker, unless all places are taken."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Place = TypeVar("Place")


class WorkLoop(Generic[Place]):
    """Works until nothing is left, in one thread for each place at most.

    A wake-up that finds all places taken is not lost: whoever works looks again before leaving.
    """

    def __init__(
        self,
        work: Callable[[Place], bool],
        places: Iterable[Place],
        stopping: Callable[[], bool],
    ) -> None:
        self._work = work
        self._stopping = stopping
        self._free = list(places)
        self._wakes = 0
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Work here, or leave it to those who already do."""
        with self._lock:
            self._wakes += 1
            if not self._free:
                return
            place = self._free.pop()
        while self._exhaust(place):
            pass

    def _exhaust(self, place: Place) -> bool:
        """Work until nothing is left; whether a wake-up came meanwhile."""
        seen = self._wakes
        again = False
        try:
            while not self._stopping() and self._work(place):
                pass
            with self._lock:
                again = self._wakes != seen and not self._stopping()
                if not again:
                    self._free.append(place)
        except BaseException:
            with self._lock:
                self._free.append(place)
            raise
        return again
