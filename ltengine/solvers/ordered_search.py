"""The optimum by trying all subsets in order: a few words of memory, no tables, any size.

One thread runs it for one problem, which is what a graphics processor wants; ``cuda_kernel``
compiles these functions for the device, and tests compile the same ones for the processor. Cost:
one subtraction and comparison for each subset, in 32 bits, as a device has twice as many of those;
sums that could wrap around there are told by their 64 bits. Indices are unsigned, as signed ones
would each be asked whether they count from the end.
"""

from __future__ import annotations

import numba
import numpy as np

from ltengine.problem import FRACTION_BITS, ITEM_LIMIT

_ITEM = round(ITEM_LIMIT * 2**FRACTION_BITS)
"""Items are smaller in size."""
_FAR = np.int64(2**31 - 1 - _ITEM)
"""Differences larger in size may overflow by one more item."""
LARGEST_TOLERANCE = 2**31 - 1 - 2 * _ITEM
"""What is further than ``_FAR`` from its target stays further than this by one more item."""
_0, _1, _2 = np.uint64(0), np.uint64(1), np.uint64(2)


@numba.njit
def _search_single(items, count, target, least, choice):  # type: ignore[no-untyped-def]
    """As ``_search_size``, for subsets of one element."""
    for j in range(count):
        gap = abs(target - items[j])
        if gap < least:
            least = np.int32(gap)
            choice[0] = j
    return least


@numba.njit
def _search_size(items, count, size, least, heads, rests, choice):  # type: ignore[no-untyped-def]
    """The least |sum - target| below ``least`` over subsets of ``size``, from 2, else ``least``.

    The first subset in lexicographic order that attains it goes into ``choice``. All elements but
    the last two are ``heads``, counted on like an odometer, which is slow beside the two loops over
    the others; rests[d] is the target less d heads.
    """
    last = size - _2
    for d in range(last):
        heads[d] = d
        rests[d + _1] = rests[d] - items[d]
    while True:
        rest = rests[last]
        i = np.uint64(heads[last - _1]) + _1 if last > _0 else _0
        found, partner = count, count
        while i + _1 < count:
            left = rest - items[i]
            if abs(left) <= _FAR:
                near = np.int32(left)
                j = i + _1
                while j < count:
                    gap = np.int32(abs(np.int32(near - items[j])))
                    if gap < least:
                        least = gap
                        found, partner = i, j
                    j += _1
            i += _1
        if found < count:
            for d in range(last):
                choice[d] = heads[d]
            choice[last], choice[last + _1] = found, partner
        d = last
        while d > _0 and np.uint64(heads[d - _1]) == count - size + d - _1:
            d -= _1
        if d == _0:
            return least
        heads[d - _1] += 1
        rests[d] = rests[d - _1] - items[np.uint64(heads[d - _1])]
        while d < last:
            heads[d] = heads[d - _1] + 1
            rests[d + _1] = rests[d] - items[np.uint64(heads[d])]
            d += _1


@numba.njit
def is_reachable(items, count, target, tolerance):  # type: ignore[no-untyped-def]
    """Whether the target is no further off than all items of its sign together.

    To learn by trying that one has no solution takes as long as ten others that have one.
    """
    lowest = highest = np.int64(0)
    for c in range(count):
        if items[c] < 0:
            lowest += items[c]
        else:
            highest += items[c]
    return lowest - tolerance <= target <= highest + tolerance


@numba.njit
def search_sizes(items, count, target, tolerance, first, last, least_error, heads, rests, choice):  # type: ignore[no-untyped-def]
    """The size of the optimum among subsets of first ... last elements, or -1; fills ``choice``.

    Args:
        items: (candidate,) int32, below ITEM_LIMIT.
        count: how many are offered.
        target: of the sum.
        tolerance: the largest |sum - target|, below LARGEST_TOLERANCE.
        first: smallest subset looked at, from 0.
        last: largest subset looked at.
        least_error: whether a larger subset with less error is better.
        heads: (element,) int32 workspace.
        rests: (element,) int64 workspace.
        choice: (element,) filled up to the returned size.
    """
    rests[0] = target
    least = np.int32(tolerance + 1)
    size = -1
    if first == 0 and abs(rests[0]) < least:
        least = np.int32(abs(rests[0]))
        size = 0
    offered = np.uint64(count)
    for larger in range(1 if first == 0 else first, (last if last < count else count) + 1):
        if size >= 0 and not least_error:
            return size
        if larger == 1:
            gap = _search_single(items, offered, rests[0], least, choice)
        else:
            gap = _search_size(items, offered, np.uint64(larger), least, heads, rests, choice)
        if gap < least:
            least = gap
            size = larger
    return size
