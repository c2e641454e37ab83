"""The CUDA kernel: one thread draws one problem's cells and searches them.

Imported by ``cuda_solver`` alone, which ``device`` imports only where there is a device. numba's
simulator (NUMBA_ENABLE_CUDASIM=1) runs the same source without one.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import cuda

from ltengine.philox_kernel import LOW, philox, uniform_value
from ltengine.problem import FRACTION_BITS, ITEM_LIMIT, NO_CHOICE
from ltengine.randomness import WEIGHT_STREAM
from ltengine.solvers.ordered_search import is_reachable, search_sizes

MOST_CANDIDATES = 32
"""Of one problem; a thread keeps them to itself."""
_UNIT = 2.0**FRACTION_BITS
_LIMIT = ITEM_LIMIT * _UNIT
_NO_CHOICE = np.uint8(NO_CHOICE)
_32 = np.uint64(32)
_STREAM = np.uint64(WEIGHT_STREAM)


@numba.njit
def _item(cell, factor):  # type: ignore[no-untyped-def]
    """Two products and a rounding: nothing that a device could contract into one rounding."""
    value = cell * factor * _UNIT
    if not abs(value) < _LIMIT:
        return np.int32(0)
    item = np.int64(round(value))
    # an item of 0 is never chosen: that is how one too large for the grid is withheld
    return np.int32(item) if abs(item) < np.int64(_LIMIT) else np.int32(0)


@cuda.jit(cache=True)
def search_cells(  # type: ignore[no-untyped-def]
    key,
    normal_cells,
    layer,
    rows,
    base_sets,
    targets,
    columns,
    factors,
    counts,
    tolerance,
    first,
    last,
    least_error,
    places,
    problems,
    sizes,
    choices,
    open_places,
    open_problems,
    stage,
):
    """Solve problems places[0] ... places[problems - 1] with subsets of first ... last elements.

    No places mean the first so many problems.
    Sizes and choices are written at the problem's own place, so the order in which threads enter
    what stays open into ``open_places`` changes nothing; open_problems[stage] counts that.
    normal_cells holds the cell of each word's top 24 bits, or nothing where cells are uniform.
    """
    thread = cuda.grid(1)
    if thread >= problems:
        return
    items = cuda.local.array(MOST_CANDIDATES, np.int32)
    heads = cuda.local.array(MOST_CANDIDATES, np.int32)
    rests = cuda.local.array(MOST_CANDIDATES, np.int64)
    choice = cuda.local.array(MOST_CANDIDATES, np.uint8)
    p = np.int64(places[thread]) if places.shape[0] > 0 else np.int64(thread)
    base_set = base_sets[p]
    count = counts[base_set]
    row, drawn = np.uint64(rows[p]), np.int64(-1)
    w0 = w1 = w2 = w3 = np.uint64(0)
    for c in range(count):
        column = columns[base_set, c]
        block = column >> 2
        if block != drawn:
            w0, w1, w2, w3 = philox(
                np.uint64(block), row, np.uint64(layer), _STREAM, key & LOW, key >> _32
            )
            drawn = block
        lane = column & 3
        word = w0 if lane == 0 else (w1 if lane == 1 else (w2 if lane == 2 else w3))
        if normal_cells.shape[0] > 0:
            cell = np.float64(normal_cells[np.int64(word >> np.uint64(8))])
        else:
            cell = uniform_value(word)
        items[c] = _item(cell, factors[base_set, c])
    target, size = np.int64(targets[p]), -1
    reachable = is_reachable(items, count, target, tolerance)
    if reachable:
        size = search_sizes(
            items, count, target, tolerance, first, last, least_error, heads, rests, choice
        )
    sizes[p] = size
    for d in range(choices.shape[1]):
        choices[p, d] = choice[d] if d < size else _NO_CHOICE
    if reachable and size < 0:
        open_places[cuda.atomic.add(open_problems, stage, 1)] = p
