"""The optimum by trying all subsets in order: a few words of memory, no tables, any size.

One thread runs it for one problem, which is what a graphics processor wants; ``cuda_kernel``
compiles these functions for the device, and tests compile the same ones for the processor. Sums are
64-bit, so nothing wraps. Cost: one subtraction and comparison for each subset.
"""

from __future__ import annotations

import numba
import numpy as np


@numba.njit
def _search_size(items, count, size, least, heads, rests, choice):  # type: ignore[no-untyped-def]
    """The least |sum - target| below ``least`` over subsets of ``size`` elements, else ``least``.

    The first subset in lexicographic order that attains it goes into ``choice``. All elements but
    the last are ``heads``, counted on like an odometer; rests[d] is the target less d heads.
    """
    last = size - 1
    for d in range(last):
        heads[d] = d
        rests[d + 1] = rests[d] - items[d]
    while True:
        rest = rests[last]
        begin = heads[last - 1] + 1 if last > 0 else 0
        found = -1
        for j in range(begin, count):
            gap = abs(rest - items[j])
            if gap < least:
                least = gap
                found = j
        if found >= 0:
            for d in range(last):
                choice[d] = heads[d]
            choice[last] = found
        d = last - 1
        while d >= 0 and heads[d] == count - size + d:
            d -= 1
        if d < 0:
            return least
        heads[d] += 1
        rests[d + 1] = rests[d] - items[heads[d]]
        for e in range(d + 1, last):
            heads[e] = heads[e - 1] + 1
            rests[e + 1] = rests[e] - items[heads[e]]


@numba.njit
def search_sizes(items, count, target, tolerance, first, last, least_error, heads, rests, choice):  # type: ignore[no-untyped-def]
    """The size of the optimum among subsets of first ... last elements, or -1; fills ``choice``.

    Args:
        items: (candidate,) integers.
        count: how many are offered.
        target: of the sum.
        tolerance: the largest |sum - target|.
        first: smallest subset looked at, from 0.
        last: largest subset looked at.
        least_error: whether a larger subset with less error is better.
        heads: (element,) int32 workspace.
        rests: (element,) int64 workspace.
        choice: (element,) filled up to the returned size.
    """
    rests[0] = target
    least = np.int64(tolerance) + 1
    size = -1
    if first == 0 and abs(rests[0]) < least:
        least = abs(rests[0])
        size = 0
    for larger in range(1 if first == 0 else first, (last if last < count else count) + 1):
        if size >= 0 and not least_error:
            return size
        gap = _search_size(items, count, larger, least, heads, rests, choice)
        if gap < least:
            least = gap
            size = larger
    return size
