"""Compiled drawing of source cells, straight into the fixed-point items of subset-sum problems.

The same definition as ``randomness`` and ``source``; a test holds the two together bit for bit.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.normal_quantile import normal_value
from ltengine.problem import ITEM_LIMIT
from ltengine.randomness import MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1
from ltengine.source import GRID_BITS, Distribution, Source

_M0 = np.uint64(MULTIPLIER_0)
_M1 = np.uint64(MULTIPLIER_1)
_W0 = np.uint64(WEYL_0)
_W1 = np.uint64(WEYL_1)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_HALF_RANGE = 1 << GRID_BITS


@numba.njit(inline="always")
def _philox(block, row, layer, stream, k0, k1):  # type: ignore[no-untyped-def]
    """Four 32-bit words of one counter, all in uint64."""
    c0, c1, c2, c3 = block, row, layer, stream
    for _ in range(ROUNDS):
        p0 = c0 * _M0
        p1 = c2 * _M1
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@numba.njit(inline="always")
def _uniform_value(word):  # type: ignore[no-untyped-def]
    """(2 v + 1 - 2^24) / 2^24."""
    numerator = np.int64(2) * np.int64(word >> np.uint64(8)) + np.int64(1 - _HALF_RANGE)
    return np.float64(numerator) / np.float64(_HALF_RANGE)


@numba.njit(parallel=True, cache=True)
def _draw_items(seed, normal, layer, rows, base_sets, columns, factors, sizes, unit, items):  # type: ignore[no-untyped-def]
    k0 = np.uint64(seed) & _LOW
    k1 = np.uint64(seed) >> _32
    source_layer = np.uint64(layer)
    stream = np.uint64(0)
    limit = unit * ITEM_LIMIT
    for p in numba.prange(rows.shape[0]):
        base_set = base_sets[p]
        row = np.uint64(rows[p])
        drawn = np.int64(-1)
        w0 = w1 = w2 = w3 = np.uint64(0)
        for c in range(sizes[base_set]):
            column = columns[base_set, c]
            block = column >> 2
            if block != drawn:
                w0, w1, w2, w3 = _philox(np.uint64(block), row, source_layer, stream, k0, k1)
                drawn = block
            lane = column & 3
            word = w0 if lane == 0 else (w1 if lane == 1 else (w2 if lane == 2 else w3))
            cell = normal_value(np.int64(word >> np.uint64(8))) if normal else _uniform_value(word)
            value = np.rint(cell * factors[base_set, c] * unit)
            # an item of 0 is never chosen: that is how one too large for the grid is withheld
            items[p, c] = np.int32(value) if abs(value) < limit else np.int32(0)


def draw_items(
    source: Source,
    layer: int,
    rows: NDArray[np.int64],
    base_sets: NDArray[np.int64],
    columns: NDArray[np.int64],
    factors: NDArray[np.float64],
    sizes: NDArray[np.int64],
    fraction_bits: int,
) -> NDArray[np.int32]:
    """The items of problems p: round(weight(layer, rows[p], column) * factor * 2^fraction_bits).

    Args:
        source: its seed and distribution.
        layer: source layer, from 1.
        rows: (problem,) source row of each problem.
        base_sets: (problem,) which base set it draws from.
        columns: (base set, candidate) source columns, ascending.
        factors: (base set, candidate) what a candidate's neuron emits, in problem units.
        sizes: (base set,) how many candidates are real.
        fraction_bits: of the fixed-point grid.

    Returns:
        (problem, candidate) int32; 0 past a base set's size and where |item| would reach 2.
    """
    items = np.zeros((rows.shape[0], columns.shape[1]), dtype=np.int32)
    normal = source.distribution is Distribution.NORMAL
    seed, unit = np.uint64(source.seed), 2.0**fraction_bits
    _draw_items(seed, normal, layer, rows, base_sets, columns, factors, sizes, unit, items)
    return items
