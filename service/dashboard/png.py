"""PNG files, from shares between 0 and 1: nothing where there is nothing, else ever denser."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

_COLOUR = (0xC6, 0x74, 0x1A)  # reads on a light page and on a dark one
_FAINTEST = 90
_LEVELS = 255


def draw_shares(width: int, height: int, shares: Sequence[float]) -> bytes:
    """A picture of width x height pixels, row after row; its background is transparent."""
    largest = max(shares, default=0.0) or 1.0
    levels = bytes(
        0 if share == 0 else 1 + round(254 * (share / largest) ** 0.5) for share in shares
    )
    rows = b"".join(b"\0" + levels[row * width : (row + 1) * width] for row in range(height))
    opacity = bytes(
        0 if level == 0 else _FAINTEST + (255 - _FAINTEST) * (level - 1) // (_LEVELS - 1)
        for level in range(_LEVELS + 1)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", bytes(_COLOUR) * (_LEVELS + 1)),
            _chunk(b"tRNS", opacity),
            _chunk(b"IDAT", zlib.compress(rows, 6)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
