"""The Range header (RFC 9110): one range of bytes."""

from __future__ import annotations

import re

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)


def read_range(header: str | None, size: int) -> range | None:
    """The bytes asked for of so many; empty where there are none such.

    None: send everything, as the header is absent, or asks for several ranges, or for nothing that
    can be understood; the RFC lets a server ignore those.
    """
    matched = _RANGE.fullmatch(header.strip()) if header else None
    if matched is None or matched[1] == matched[2] == "":
        return None
    if matched[1] == "":
        return range(max(0, size - int(matched[2])), size)
    first = int(matched[1])
    last = int(matched[2]) if matched[2] else size - 1
    if matched[2] and last < first:
        return None
    return range(first, max(first, min(last + 1, size))) if first < size else range(0)
