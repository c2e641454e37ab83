"""Which requests may be sent again, and after what pause.

A request is repeated only when repeating cannot do something twice: reads, uploads (the service
recognises bytes it already has by their digest) and cancellations always may; a job submission
only when the first attempt surely did nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from ltforge.errors import LTForgeError, NoAnswerError, ResponseError

TRANSIENT_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
REFUSED_UNPROCESSED = frozenset({429})

Answer = TypeVar("Answer")


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

    def pause(self, attempt: int, error: LTForgeError) -> float:
        """Seconds before attempt ``attempt + 1``: the server's advice, else jittered doubling."""
        advice = error.retry_after if isinstance(error, ResponseError) else None
        if advice is not None:
            return min(advice, self.longest_advice)
        ceiling = min(self.longest_pause, self.first_pause * 2.0 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)


def with_retries(action: Callable[[], Answer], policy: RetryPolicy, repeat: Repeat) -> Answer:
    """Call ``action`` until it succeeds, is not to be repeated, or has had all its attempts."""
    for attempt in range(1, policy.attempts):
        try:
            return action()
        except LTForgeError as error:
            if not repeat.allows(error):
                raise
            pause = policy.pause(attempt, error)
        time.sleep(pause)
    return action()
