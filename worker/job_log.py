"""A job's log on its way into the database: timed lines, plain text, and not too many of them."""

from __future__ import annotations

from datetime import UTC, datetime

from worker.plain_text import plain

_LONGEST_LINE = 2000
_CUT = "the log is cut here: it has reached its largest size"


class JobLog:
    """Collects what one attempt has to say; whoever holds the lease takes it to the database."""

    def __init__(self, largest: int) -> None:
        self._room = largest
        self._waiting: list[str] = []

    def write(self, line: str) -> None:
        """Add a line; control characters become marks, long lines are cut."""
        if self._room <= 0:
            return
        moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        text = f"{moment} {plain(line, _LONGEST_LINE)}\n"
        self._room -= len(text.encode())
        self._waiting.append(text if self._room > 0 else f"{moment} {_CUT}\n")

    def peek(self) -> bytes:
        """What was written since it was last taken."""
        return "".join(self._waiting).encode()

    def take(self) -> bytes:
        """What was written since the last time."""
        taken = self.peek()
        self._waiting.clear()
        return taken
