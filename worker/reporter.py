"""The runner's side of the conversation: writes messages, and not too many of them."""

from __future__ import annotations

import threading
import time
from typing import BinaryIO

from worker.protocol import Message, ProgressMade, encode

_SECONDS_BETWEEN = 0.1


class Reporter:
    """Writes messages to the parent, progress within a stage at most ten times a second."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._stage = ""
        self._last = 0.0

    def say(self, message: Message) -> None:
        """Write a message now; any thread may."""
        with self._lock:
            self._stream.write(encode(message))
            self._stream.flush()

    def progress(self, job: str, stage: str, done: int, total: int) -> None:
        """Report progress, unless the same stage was reported a moment ago."""
        now = time.monotonic()
        if stage == self._stage and done < total and now - self._last < _SECONDS_BETWEEN:
            return
        self._stage, self._last = stage, now
        self.say(ProgressMade(job, stage, done, total))
