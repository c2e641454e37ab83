"""How a long computation tells its caller where it is and asks whether to go on."""

from __future__ import annotations

from collections.abc import Callable

from ltengine.errors import Canceled

ReportProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
AskCancel = Callable[[], bool]
"""Called often; true means stop."""


def ignore_progress(_stage: str, _done: int, _total: int) -> None:
    """For callers that do not watch."""


def never_cancel() -> bool:
    """For callers that do not cancel."""
    return False


def step(stage: str, done: int, total: int, progress: ReportProgress, cancel: AskCancel) -> None:
    """Say where the work is, unless it is no longer wanted.

    Raises:
        Canceled: ``cancel`` said so.
    """
    if cancel():
        raise Canceled
    progress(stage, done, total)
