"""Why something failed, in a form that programs and people can both use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """A stable UPPER_SNAKE `code`, and a `detail` that says what is wrong and what to do."""

    code: str
    detail: str
