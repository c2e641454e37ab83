"""Waiting for a resource to reach a final state, always with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from ltforge.errors import LTForgeError, WaitTimeoutError
from ltforge.retrying import Repeat

Resource = TypeVar("Resource")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_GROWTH = 1.5


def wait_until(
    fetch: Callable[[], Resource],
    final: Callable[[Resource], bool],
    *,
    timeout: float,
    what: str,
    seen: Callable[[Resource], None] = lambda _resource: None,
) -> Resource:
    """Fetch again and again, more and more slowly, until ``final`` says so.

    A service that is away for a moment (a deployment, a dropped connection) does not end the wait.

    Raises:
        WaitTimeoutError: ``timeout`` seconds passed first.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    obstacle: LTForgeError | None = None
    while True:
        try:
            resource = fetch()
        except LTForgeError as error:
            if not Repeat.HARMLESS.allows(error):
                raise
            obstacle = error
        else:
            obstacle = None
            seen(resource)
            if final(resource):
                return resource
        left = deadline - time.monotonic()
        if left <= 0:
            raise _too_late(what, timeout, obstacle)
        time.sleep(min(pause, left))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)


def _too_late(what: str, timeout: float, obstacle: LTForgeError | None) -> WaitTimeoutError:
    reason = f" (last: {obstacle.detail})" if obstacle else ""
    error = WaitTimeoutError(
        "WAIT_TIMED_OUT",
        f"{what} was not finished after {timeout:g} s{reason}; it goes on, wait again or cancel it",
    )
    error.__cause__ = obstacle
    return error
