"""The Prefer header (RFC 7240): how long a client wants to wait for work that it asks for."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import anyio
from fastapi import Depends, Header

DEFAULT_WAIT_SECONDS = 10
LONGEST_WAIT_SECONDS = 60
_FIRST_PAUSE, _LONGEST_PAUSE, _GROWTH = 0.03, 0.5, 1.3
_WAIT = re.compile(r'wait\s*=\s*"?(\d{1,9})"?')

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Patience:
    """For how many seconds to wait, and what of the client's preference was applied."""

    seconds: int
    applied: str | None


def read_patience(prefer: str | None) -> Patience:
    """The wait that a Prefer header asks for. As the RFC has it, what is not understood is ignored.

    The first `wait` counts, also beside `respond-async`; longer waits than the longest are cut.
    """
    named = [item.split(";")[0].strip().lower() for item in (prefer or "").split(",")]
    for matched in filter(None, map(_WAIT.fullmatch, named)):
        seconds = min(int(matched[1]), LONGEST_WAIT_SECONDS)
        return Patience(seconds, f"wait={seconds}")
    if "respond-async" in named:
        return Patience(0, "respond-async")
    return Patience(DEFAULT_WAIT_SECONDS, None)


def _patience(
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=SECONDS` for the longest wait for the answer (default "
            f"{DEFAULT_WAIT_SECONDS}, at most {LONGEST_WAIT_SECONDS}), or `respond-async`"
        ),
    ] = None,
) -> Patience:
    return read_patience(prefer)


async def _no_haste(
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=SECONDS` (at most "
            f"{LONGEST_WAIT_SECONDS}) to be answered only when the job has changed"
        ),
    ] = None,
) -> Patience:
    return read_patience(prefer) if prefer else Patience(0, None)


ChangePatienceDep = Annotated[Patience, Depends(_no_haste)]
PatienceDep = Annotated[Patience, Depends(_patience)]


async def wait_for(
    look: Callable[[], Awaitable[Result]], enough: Callable[[Result], bool], seconds: float
) -> Result:
    """Look again and again, less and less often, until it is enough or time is up; the last look.

    Nobody's thread waits: only each look itself may use one.
    """
    deadline = anyio.current_time() + seconds
    pause = _FIRST_PAUSE
    while True:
        found = await look()
        left = deadline - anyio.current_time()
        if enough(found) or left <= 0:
            return found
        await anyio.sleep(min(pause, left))
        pause = min(pause * _GROWTH, _LONGEST_PAUSE)
