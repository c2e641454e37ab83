"""Which requests may be sent again, and after what pause.

A request is repeated only when repeating cannot do something twice: reads, uploads (the service
recognises bytes it already has by their digest), cancellations, and whatever carries an
Idempotency-Key that the service keeps. Anything else only when the first attempt surely did
nothing.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from ltforge.errors import LTForgeError, NoAnswerError, ResponseError

TRANSIENT_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
REFUSED_UNPROCESSED = frozenset({429})
STILL_UNDER_WAY = "IDEMPOTENCY_KEY_IN_USE"
"""The first attempt has not been answered yet: asked again, the service answers as it did."""


class Repeat(Enum):
    """When a request may be sent again."""

    HARMLESS = "harmless"
    """Doing it twice is the same as doing it once."""
    ONLY_IF_NOTHING_HAPPENED = "only if nothing happened"
    """It creates something, so only a request that was surely not acted on is repeated."""

    def allows(self, error: LTForgeError) -> bool:
        """Whether this kind of request may be repeated after ``error``."""
        harmless = self is Repeat.HARMLESS
        if isinstance(error, NoAnswerError):
            return harmless or not error.sent
        if isinstance(error, ResponseError):
            if error.code == STILL_UNDER_WAY:
                return True
            return error.status in (TRANSIENT_STATUSES if harmless else REFUSED_UNPROCESSED)
        return False


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently a failed request is sent again."""

    attempts: int = 5
    first_pause: float = 0.25
    longest_pause: float = 8.0
    longest_advice: float = 60.0
    """A Retry-After beyond this is not waited for in full."""
    patience: float = 60.0
    """Seconds for which resumable uploads and event streams go on without getting any further."""

    def pause(self, attempt: int, error: LTForgeError) -> float:
        """Seconds before attempt ``attempt + 1``: the server's advice, else jittered doubling."""
        advice = error.retry_after if isinstance(error, ResponseError) else None
        if advice is not None:
            return min(advice, self.longest_advice)
        ceiling = min(self.longest_pause, self.first_pause * 2.0 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)
