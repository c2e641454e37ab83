"""The compiled form of ``randomness`` and of ``source``'s uniform values, for other kernels to use.

The same definition as there; a test holds the two together bit for bit.
"""

from __future__ import annotations

import numba
import numpy as np

from ltengine.randomness import MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1
from ltengine.source import GRID_BITS

LOW = np.uint64(0xFFFFFFFF)
_M0 = np.uint64(MULTIPLIER_0)
_M1 = np.uint64(MULTIPLIER_1)
_W0 = np.uint64(WEYL_0)
_W1 = np.uint64(WEYL_1)
_32 = np.uint64(32)
_HALF_RANGE = 1 << GRID_BITS


@numba.njit(inline="always")
def philox(block, row, layer, stream, k0, k1):  # type: ignore[no-untyped-def]
    """Four 32-bit words of one counter, all in uint64."""
    c0, c1, c2, c3 = block, row, layer, stream
    for _ in range(ROUNDS):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & LOW, (p0 >> _32) ^ c3 ^ k1, p0 & LOW
        k0 = (k0 + _W0) & LOW
        k1 = (k1 + _W1) & LOW
    return c0, c1, c2, c3


@numba.njit(inline="always")
def uniform_value(word):  # type: ignore[no-untyped-def]
    """(2 v + 1 - 2^24) / 2^24."""
    numerator = np.int64(2) * np.int64(word >> np.uint64(8)) + np.int64(1 - _HALF_RANGE)
    return np.float64(numerator) / np.float64(_HALF_RANGE)
