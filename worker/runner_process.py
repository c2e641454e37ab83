"""The parent's handle of a runner: start, talk, notice its death, end it with all its children."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Protocol

import structlog

from worker.process_memory import group_memory
from worker.protocol import Cancel, Message, ProtocolError, Ready, Run, decode, encode

_log = structlog.get_logger(__name__)

# Credentials are not among them: a runner has no business with database or broker.
_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_KEPT_PREFIXES = ("NUMBA_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_", "NVIDIA_", "XDG_", "LC_", "OTEL_")


_THREAD_COUNTS = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
)


class RunnerDied(Exception):  # noqa: N818 - an event, as Canceled is
    """The runner ended without finishing its job; `status` is its exit status or minus a signal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the runner ended with status {status}")
        self.status = status

    @property
    def killed(self) -> bool:
        """Whether somebody, or the kernel, ended it by force."""
        return self.status == -signal.SIGKILL

    @property
    def hint(self) -> str:
        """What that status usually means."""
        if self.killed:
            return "it was killed, most often because the machine ran out of memory"
        if self.status < 0:
            return f"it was ended by {signal.Signals(-self.status).name}"
        return f"it ended by itself with status {self.status}"


def runner_command() -> list[str]:
    """How the real runner is started."""
    return [sys.executable, "-m", "worker.runner", str(os.getpid())]


def runner_environment(
    visible_devices: str | None = None, threads: int | None = None
) -> dict[str, str]:
    """The variables a runner may see; `visible_devices` numbers the CUDA devices it may use.

    The numbers count what this process may use itself. `threads` bounds every library that divides
    its loops: numba, torch and the linear algebra under numpy each count the machine's cores
    otherwise, and runners side by side then wait for each other.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith(_KEPT_PREFIXES)
    }
    # Threads that spin while they wait take the cores from the runner beside.
    kept.setdefault("OMP_WAIT_POLICY", "passive")
    if threads is not None:
        kept |= dict.fromkeys(_THREAD_COUNTS, str(threads))
    if visible_devices is None:
        return kept
    own = [name.strip() for name in kept.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    if own and visible_devices:
        visible_devices = own[int(visible_devices)]
    return kept | {"CUDA_VISIBLE_DEVICES": visible_devices}


class StartRunner(Protocol):
    """How a runner is started that may use these CUDA devices and so many processor threads."""

    def __call__(self, *, visible_devices: str, threads: int) -> RunnerProcess:
        """Start it."""


class RunnerProcess:
    """One runner process. Started in a session of its own, so its whole group can be killed."""

    def __init__(
        self,
        command: Sequence[str] | None = None,
        *,
        visible_devices: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            list(command or runner_command()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=runner_environment(visible_devices, threads),
            start_new_session=True,
        )
        # None marks the end of the runner's output.
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._ended = False
        self.jobs = 0
        self.ready = False

    @property
    def process_id(self) -> int:
        """The runner's process id, which is also its group's."""
        return self._process.pid

    @property
    def memory(self) -> int:
        """Bytes that it and its children occupy now."""
        return group_memory(self._process.pid)

    @property
    def alive(self) -> bool:
        """Whether it can take a job."""
        return self._process.poll() is None

    def run(self, request: Run) -> None:
        """Give it a job; it may still be warming up."""
        self.jobs += 1
        self._send(request)

    def cancel(self, job: str) -> None:
        """Ask it to stop the job."""
        self._send(Cancel(job))

    def receive(self, timeout: float) -> Message | None:
        """Its next message about a job, or None if none came in time; raises RunnerDied."""
        try:
            message = self._messages.get(timeout=timeout)
        except queue.Empty:
            return None
        if message is None:
            self.kill()
            raise RunnerDied(self._process.wait())
        if isinstance(message, Ready):
            self.ready = True
            return None
        return message

    def kill(self) -> None:
        """End it and everything it started, at once. Harmless when it has ended."""
        if self._ended:
            return
        # Once only: after the wait below its number may belong to a stranger.
        self._ended = True
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            _log.debug("runner had ended already", process=self._process.pid)
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None and not stream.closed:
                _close(stream)

    def _send(self, message: Run | Cancel) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(message))
            self._process.stdin.flush()
        except BrokenPipeError:
            # `receive` reports the death, with its status, in the order of events.
            _log.info("runner ended before it could be told", process=self._process.pid)

    def _read(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._messages.put(decode(line))
        except ProtocolError as failure:
            _log.error("runner broke the protocol", error=str(failure))
        self._messages.put(None)


def _close(stream: object) -> None:
    try:
        stream.close()  # type: ignore[attr-defined]
    except BrokenPipeError:
        _log.debug("unsent bytes for a dead runner were dropped")
