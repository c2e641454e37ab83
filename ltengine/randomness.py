"""Philox4x32-10: a random word addressed by (seed, stream, layer, row, column), never streamed.

Notation. Key k = (k0, k1) is the seed's low and high 32 bits. Counter c = (c0, c1, c2, c3) is
(column // 4, row, layer, stream). Ten rounds map (c, k) to four 32-bit words; column % 4 picks one.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
The rounds' constants are the paper's. This is the plain numpy form, used to verify and to explain;
``cell_kernel`` holds the compiled form, and a test says that they agree bit for bit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MULTIPLIER_0 = 0xD2511F53
MULTIPLIER_1 = 0xCD9E8D57
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85
ROUNDS = 10

WEIGHT_STREAM = 0
BIAS_STREAM = 1

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox(
    counter: tuple[NDArray[np.uint64], ...], seed: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
    """Ten Philox rounds.

    Args:
        counter: four arrays of one shape, each value below 2^32.
        seed: 64 bits.

    Returns:
        Four arrays of that shape with values below 2^32.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
    for _ in range(ROUNDS):
        p0 = c0 * np.uint64(MULTIPLIER_0)
        p1 = c2 * np.uint64(MULTIPLIER_1)
        c0, c1, c2, c3 = (
            (p1 >> _SHIFT) ^ c1 ^ np.uint64(k0),
            p1 & _LOW,
            (p0 >> _SHIFT) ^ c3 ^ np.uint64(k1),
            p0 & _LOW,
        )
        k0, k1 = (k0 + WEYL_0) & 0xFFFFFFFF, (k1 + WEYL_1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def random_words(
    seed: int,
    stream: int,
    layer: int,
    rows: NDArray[np.integer],
    columns: NDArray[np.integer],
) -> NDArray[np.uint32]:
    """The 32-bit words of the cells (layer, rows[i], columns[i]); rows and columns broadcast."""
    rows, columns = np.broadcast_arrays(rows, columns)
    column = columns.astype(np.uint64)
    counter = (
        column >> np.uint64(2),
        rows.astype(np.uint64),
        np.full(column.shape, layer, dtype=np.uint64),
        np.full(column.shape, stream, dtype=np.uint64),
    )
    words = philox(counter, seed)
    return np.choose((column & np.uint64(3)).astype(np.int64), words).astype(np.uint32)
