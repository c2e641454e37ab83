"""Names for rows: a prefix that says what it is, and a UUIDv7 that sorts by time."""

from __future__ import annotations

import re
import secrets
import time
from typing import Literal

Prefix = Literal[
    "ckp",
    "dst",
    "job",
    "shd",
    "tkt",
    "key",
    "evt",
    "ten",
    "out",
    "aud",
    "whk",
    "whd",
    "slt",
    "bat",
    "upl",
]

# Crockford's alphabet in ascending ASCII order, so that text order is numeric order.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 26
_SHAPE = re.compile(rf"[a-z]{{3}}_[{_ALPHABET}]{{{_LENGTH}}}")


def new_id(prefix: Prefix) -> str:
    """A fresh identifier, e.g. `job_06e8f...`; later ones sort after earlier ones."""
    return f"{prefix}_{_base32(_uuid7())}"


def is_id(text: str) -> bool:
    """Whether the text has the shape of an identifier; says nothing about existence."""
    return _SHAPE.fullmatch(text) is not None


def _uuid7() -> int:
    """RFC 9562 version 7, with the 12 bits after the version as fraction of a millisecond."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = secrets.randbits(62)
    return (milliseconds << 80) | (0x7 << 76) | (fraction << 64) | (0b10 << 62) | random


def _base32(number: int) -> str:
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
