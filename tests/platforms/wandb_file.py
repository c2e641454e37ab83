"""Reads the file of a run that wandb keeps offline: a log in LevelDB's format of its records.

Blocks of 32 KiB; in them chunks of checksum (4 bytes), length (2), kind (1: whole, 2: first,
3: middle, 4: last) and data; the file itself begins with 7 bytes of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as messages

_BLOCK, _HEAD, _PREFIX = 1 << 15, 7, 7
_ENDS = (1, 4)


def read_records(path: Path) -> Iterator[Any]:
    """The records of a run's file, in order."""
    content, place, record = path.read_bytes(), _PREFIX, b""
    assert content[:4] == b":W&B"
    while place < len(content):
        if _BLOCK - place % _BLOCK < _HEAD:  # the rest of a block is too short for a chunk
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + _HEAD])
        place += _HEAD
        record += content[place : place + length]
        place += length
        if kind in _ENDS:
            yield messages.Record.FromString(record)  # type: ignore[attr-defined]
            record = b""
