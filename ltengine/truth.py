"""Truth values are no numbers: pydantic would read `true` as 1."""

from __future__ import annotations

from typing import Any


def refuse_truth(value: Any) -> Any:
    """A validator for models without truth values: raises ValueError for true and false."""
    if isinstance(value, bool):
        raise ValueError("true and false are no values here")  # noqa: TRY004 - pydantic asks so
    return value
