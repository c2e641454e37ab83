"""How a long computation tells its caller where it is and asks whether to go on."""

from __future__ import annotations

from collections.abc import Callable

ReportProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
AskCancel = Callable[[], bool]
"""Called often; true means stop."""


def ignore_progress(_stage: str, _done: int, _total: int) -> None:
    """For callers that do not watch."""


def never_cancel() -> bool:
    """For callers that do not cancel."""
    return False
