"""Waiting for a resource to reach a final state, always with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ltforge.errors import LTForgeError, WaitTimeoutError
from ltforge.exchange import Flow, pause
from ltforge.retrying import Repeat

Resource = TypeVar("Resource")

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0
_GROWTH = 1.5


@dataclass(frozen=True, slots=True)
class Look(Generic[Resource]):
    """A resource as it was seen. ``waited``: the service itself waited for a change of it."""

    resource: Resource
    waited: bool = False


def wait_until(
    look: Callable[[float], Flow[Look[Resource]]],
    final: Callable[[Resource], bool],
    *,
    timeout: float,
    what: str,
    seen: Callable[[Resource], None] = lambda _resource: None,
) -> Flow[Resource]:
    """Look again and again, more and more slowly, until ``final`` says so.

    A service that is away for a moment (a deployment, a dropped connection) does not end the wait.

    Args:
        look: one look, given the seconds that are left.
        final: whether this is the end.
        timeout: seconds to wait at most.
        what: for the error's sentence.
        seen: called with everything that was seen.

    Raises:
        WaitTimeoutError: ``timeout`` seconds passed first.
    """
    deadline = time.monotonic() + timeout
    between = _FIRST_PAUSE
    obstacle: LTForgeError | None = None
    while True:
        try:
            looked = yield from look(max(0.0, deadline - time.monotonic()))
        except LTForgeError as error:
            if not Repeat.HARMLESS.allows(error):
                raise
            obstacle = error
        else:
            obstacle = None
            seen(looked.resource)
            if final(looked.resource):
                return looked.resource
            if looked.waited:
                between = _FIRST_PAUSE
        left = deadline - time.monotonic()
        if left <= 0:
            raise _too_late(what, timeout, obstacle)
        yield from pause(min(between, left))
        between = min(between * _GROWTH, _LONGEST_PAUSE)


def _too_late(what: str, timeout: float, obstacle: LTForgeError | None) -> WaitTimeoutError:
    reason = f" (last: {obstacle.detail})" if obstacle else ""
    error = WaitTimeoutError(
        "WAIT_TIMED_OUT",
        f"{what} was not finished after {timeout:g} s{reason}; it goes on, wait again or cancel it",
    )
    error.__cause__ = obstacle
    return error
