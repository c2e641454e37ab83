"""How long something that can be resumed goes on without getting any further."""

from __future__ import annotations

import time

from ltforge.errors import LTForgeError
from ltforge.exchange import Terms
from ltforge.retrying import Repeat


class Patience:
    """Pauses after failures, until there was no progress for the session's ``retries.patience``."""

    def __init__(self, terms: Terms) -> None:
        self._retries = terms.retries
        self._failures = 0
        self._since = time.monotonic()

    def renew(self) -> None:
        """Note that there was progress."""
        self._failures = 0
        self._since = time.monotonic()

    def pause(self, error: LTForgeError, *, resumable: bool = False) -> float:
        """Seconds to pause after a failure.

        Args:
            error: what failed; it is raised where there is no use in going on.
            resumable: the failure says by itself that going on is of use.
        """
        stuck = time.monotonic() - self._since > self._retries.patience
        if stuck or not (resumable or Repeat.HARMLESS.allows(error)):
            raise error
        self._failures += 1
        # An exponent beyond this changes nothing: the longest pause is reached.
        return self._retries.pause(min(self._failures, 16), error)
