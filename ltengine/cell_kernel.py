"""Compiled drawing of source cells, straight into the fixed-point items of subset-sum problems.

The same definition as ``randomness`` and ``source``; a test holds the two together bit for bit.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.normal_quantile import normal_value
from ltengine.philox_kernel import LOW, philox, uniform_value
from ltengine.problem import ITEM_LIMIT
from ltengine.source import Distribution, Source

_CHUNK = 1024
_TILE = 16
"""Problems whose cells are drawn together."""


@numba.njit(parallel=True, cache=True)
def _find_blocks(columns, sizes, counts, blocks, slots):  # type: ignore[no-untyped-def]
    """For each base set its distinct blocks of four columns, and each candidate's word in them."""
    for s in numba.prange(columns.shape[0]):
        count, last = 0, np.int64(-1)
        for c in range(sizes[s]):
            block = columns[s, c] >> 2
            if block != last:
                blocks[s, count] = np.uint64(block)
                last = block
                count += 1
            slots[s, c] = np.uint64(4 * (count - 1) + (columns[s, c] & 3))
        counts[s] = count


@numba.njit(parallel=True, cache=True)
def _draw_items(  # type: ignore[no-untyped-def]
    seed, normal, layer, rows, base_sets, counts, blocks, slots, factors, sizes, unit, items
):
    k0 = np.uint64(seed) & LOW
    k1 = np.uint64(seed) >> np.uint64(32)
    source_layer = np.uint64(layer)
    stream = np.uint64(0)
    limit = unit * ITEM_LIMIT
    width = slots.shape[1]
    chunks = (rows.shape[0] + _CHUNK - 1) // _CHUNK
    for chunk in numba.prange(chunks):
        block_of, row_of = np.empty(_TILE * width, np.uint64), np.empty(_TILE * width, np.uint64)
        words = np.empty(4 * _TILE * width, np.uint32)
        last = min(rows.shape[0], (chunk + 1) * _CHUNK)
        for first in range(chunk * _CHUNK, last, _TILE):
            drawn = 0
            for p in range(first, min(first + _TILE, last)):
                s, row = base_sets[p], np.uint64(rows[p])
                for b in range(counts[s]):
                    block_of[drawn + b] = blocks[s, b]
                    row_of[drawn + b] = row
                drawn += counts[s]
            # nothing but arithmetic in this loop: the compiler makes it draw eight blocks at once
            for b in range(drawn):
                w0, w1, w2, w3 = philox(block_of[b], row_of[b], source_layer, stream, k0, k1)
                words[4 * b] = np.uint32(w0)
                words[4 * b + 1] = np.uint32(w1)
                words[4 * b + 2] = np.uint32(w2)
                words[4 * b + 3] = np.uint32(w3)
            start = np.uint64(0)
            for p in range(first, min(first + _TILE, last)):
                s = base_sets[p]
                for c in range(sizes[s]):
                    word = np.uint64(words[start + slots[s, c]])
                    # the test comes first, so that the compiler takes it out of the loop
                    if normal:
                        cell = normal_value(np.int64(word >> np.uint64(8)))
                    else:
                        cell = uniform_value(word)
                    value = np.rint(cell * factors[s, c] * unit)
                    # an item of 0 is never chosen: so one too large for the grid is withheld
                    items[p, c] = np.int32(value if abs(value) < limit else 0.0)
                start += np.uint64(4 * counts[s])


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
    counts = np.empty(columns.shape[0], np.int64)
    blocks, slots = (np.empty(columns.shape, np.uint64) for _ in range(2))
    _find_blocks(columns, sizes, counts, blocks, slots)
    _draw_items(
        seed,
        normal,
        layer,
        rows,
        base_sets,
        counts,
        blocks,
        slots,
        factors,
        sizes,
        unit,
        items,
    )
    return items
