"""A child of the supervisor: started, started again with growing delays, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

import structlog

from service.settings import Settings

_log = structlog.get_logger(__name__)

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0
# A child that lived this long is healthy again: its next restart is quick.
_HEALTHY_SECONDS = 60.0


class SupervisedProcess:
    """One module run as a program, attached to this process."""

    def __init__(self, arguments: Sequence[str], settings: Settings) -> None:
        self._name = arguments[0]
        attached = [sys.executable, "-m", "worker.attachment", str(os.getpid())]
        self._command = [*attached, *arguments]
        self._environment = os.environ | settings.to_environment()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._start_at = 0.0
        self._delay = _FIRST_DELAY

    def keep_running(self, now: float) -> None:
        """Start it if it is not running and its delay is over."""
        if self._process is not None:
            status = self._process.poll()
            if status is None:
                return
            self._note_death(status, now)
        if now >= self._start_at:
            # A session of its own: a terminal's Ctrl-C reaches the supervisor alone, which then
            # stops its children in order.
            self._process = subprocess.Popen(
                self._command, env=self._environment, stdout=sys.stderr, start_new_session=True
            )
            self._started = now

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, grace_seconds: float) -> None:
        """Wait for its end; after the grace period, kill its group."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=grace_seconds)
        except subprocess.TimeoutExpired:
            _log.warning("child did not stop in time", child=self._name)
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _note_death(self, status: int, now: float) -> None:
        healthy = now - self._started > _HEALTHY_SECONDS
        self._delay = _FIRST_DELAY if healthy else min(2 * self._delay, _LONGEST_DELAY)
        self._start_at = now + self._delay
        self._process = None
        _log.warning("child ended", child=self._name, status=status, restart_in=self._delay)
