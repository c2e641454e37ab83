"""Dates and times as RFC 3339 writes them; pydantic alone would take seconds since 1970 too."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator

_BEGINNING = re.compile(r"\d{4}-\d{2}-\d{2}")


def _as_written(value: Any) -> Any:
    if value is None or (isinstance(value, str) and _BEGINNING.match(value)):
        return value
    raise ValueError("write it as 2026-11-23, a time as 2026-11-23T12:00:00Z")


AS_WRITTEN = BeforeValidator(_as_written)
Day = Annotated[date, AS_WRITTEN]
