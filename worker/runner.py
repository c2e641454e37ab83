"""The runner: a warm process that holds the engine and runs one job after the other.

It knows files and the engine, and neither database nor broker; it has no credentials of either.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import BinaryIO

import structlog
from opentelemetry.trace import Span

from ltengine.divided_checks import DividedWork
from ltengine.errors import Canceled as EngineCanceled
from ltengine.errors import EngineError
from ltengine.pipeline import warm_up
from service.logs import configure_logs
from service.tracing import Stages, mark_failed, send_spans, start_tracing
from worker.attachment import die_with
from worker.engine_jobs import work
from worker.marks import marked_run
from worker.protocol import (
    Cancel,
    Canceled,
    Divided,
    Failed,
    Logged,
    Message,
    Ready,
    Run,
    Succeeded,
    decode,
    encode,
)
from worker.reporter import Reporter

_log = structlog.get_logger("worker.runner")


class Inbox:
    """Messages from the parent, read by a thread so that a cancellation arrives during a job."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._runs: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._canceled: set[str] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def next_run(self) -> Run:
        """Wait for the next job."""
        return self._runs.get()

    def is_canceled(self, job: str) -> bool:
        """Whether the parent asked to stop this job."""
        return job in self._canceled

    def _read(self) -> None:
        for line in self._stream:
            message = decode(line)
            if isinstance(message, Run):
                self._canceled.discard(message.job)
                self._runs.put(message)
            elif isinstance(message, Cancel):
                self._canceled.add(message.job)
        # The parent is gone or wants us gone; whatever is being computed, nobody will read it.
        os._exit(0)


def run(request: Run, inbox: Inbox, reporter: Reporter) -> Message:
    """Run one job; its outcome as a message, whatever happens."""
    stages, started = Stages(), time.perf_counter()

    def progress(stage: str, done: int, total: int) -> None:
        stages.enter(stage)
        reporter.progress(request.job, stage, done, total)

    try:
        result = work(request, progress, lambda: inbox.is_canceled(request.job))
        outcome: Succeeded | Divided
        if isinstance(result, DividedWork):
            outcome = Divided(
                request.job,
                list(result.shards),
                result.expected,
                result.left,
                result.concludes,
                time.perf_counter() - started,
            )
        else:
            outcome = Succeeded(request.job, result)
        # A report that JSON cannot hold is the engine's failure, not the conversation's.
        encode(outcome)
        return outcome
    except EngineCanceled:
        return Canceled(request.job)
    except EngineError as failure:
        return Failed(request.job, failure.code, failure.detail)
    except MemoryError:
        return Failed(request.job, "OUT_OF_MEMORY", _OUT_OF_MEMORY)
    except Exception as failure:
        # The outermost frame: name it, log it, for the operator and for the job's owner; live on.
        _log.exception("the engine failed unexpectedly")
        for line in traceback.format_exc().splitlines():
            reporter.say(Logged(request.job, line))
        return Failed(request.job, "INTERNAL_ERROR", _internal(failure))
    finally:
        stages.end()


_OUT_OF_MEMORY = (
    "The job needs more memory than this worker has. Use a smaller base set or network, or run it "
    "on a worker with more memory."
)


def _internal(failure: Exception) -> str:
    return (
        f"The engine failed unexpectedly with {type(failure).__name__}: {failure}. "
        "The worker's log has the details; please report it."
    )


def _note(outcome: Message, begun: Span) -> None:
    """Log the end of a job, and mark its span."""
    match outcome:
        case Failed(code=code):
            mark_failed(begun, code)
            _log.warning("run failed", code=code)
        case _:
            _log.info("run ended", outcome=type(outcome).__name__)


def _be_the_first_to_die() -> None:
    """Where the machine runs out of memory, have the kernel take the runner, not its worker."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _take_standard_output() -> BinaryIO:
    """Keep standard output for messages; whatever else prints goes to standard error."""
    own = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return own


class LoggedErrors(io.TextIOBase):
    """Standard error: each line becomes a log entry, and a line in the log of the job at work."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._line = ""
        self.job: str | None = None

    def write(self, text: str) -> int:
        """Take text; each of its finished lines is an entry, and within a job a message."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line:
                _log.warning("printed", line=line)
            if self.job is not None and line:
                self._reporter.say(Logged(self.job, line))
        return len(text)


def main() -> None:
    """Serve jobs until the standard input ends."""
    die_with(int(sys.argv[1]))
    _be_the_first_to_die()
    configure_logs()
    start_tracing("runner")
    reporter = Reporter(_take_standard_output())
    inbox = Inbox(sys.stdin.buffer)
    warm_up()
    reporter.say(Ready(os.getpid()))
    errors = LoggedErrors(reporter)
    sys.stderr = errors
    while True:
        request = inbox.next_run()
        errors.job = request.job
        with marked_run(request) as begun:
            outcome = run(request, inbox, reporter)
            _note(outcome, begun)
        errors.job = None
        # Before the outcome: the parent may end this process as soon as it has that.
        send_spans(wait=False)
        reporter.say(outcome)


if __name__ == "__main__":
    main()
