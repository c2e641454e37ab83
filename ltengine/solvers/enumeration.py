"""Subsets by enumeration, sixteen problems at a time; nearly every problem ends here.

m is the number of candidates. All pair sums are laid out in lexicographic order, so that the
subsets of k elements that begin with the same k - 2 are one contiguous run of pairs. A run costs
three vector instructions a pair for sixteen problems (``lanes.scan``); size k takes C(m, k) of
them. That is less than a cleverer method needs as long as a size has under a million subsets.

Sums of many elements may wrap around in 32 bits. A found subset is therefore summed once more in 64
bits; where the wrapped sum lied, the problem is left to another solver (DOUBTFUL).
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.problem import UNSOLVED, Objective, ProblemBatch, SolutionBatch
from ltengine.solvers.lanes import LANES, add_rows, make_rows, scan, subtract_rows

DOUBTFUL = -2
_TOGETHER = 3
"""Sizes up to this are searched in one pass; before a larger one, solved problems drop out."""
_I = np.int32
_CHUNK = 512
_NEVER_WRAPS = 4


@numba.njit(inline="always")
def _row_at(table, lane, row, wanted, gap):  # type: ignore[no-untyped-def]
    """The first row from ``row`` on whose |value - wanted| is ``gap``."""
    values = table.reshape(-1)
    below, above = _I(wanted - gap), _I(wanted + gap)
    # unsigned places spare the test for negative ones, which would double the loop
    place = np.uint64(row * LANES + lane)
    while values[place] != below and values[place] != above:
        place += np.uint64(LANES)
    return np.int64(place) // LANES


@numba.njit
def _gather(items, counts, targets, places, first, last, x, levels):  # type: ignore[no-untyped-def]
    """Turn up to sixteen problems into rows; absent candidates are 0. Returns the most candidates.

    An item of 0 only repeats the sum of a smaller subset, so no optimum contains one.
    """
    most = 0
    for lane in range(LANES):
        p = places[min(first + lane, last - 1)]
        most = max(most, counts[p])
    for lane in range(LANES):
        p = places[min(first + lane, last - 1)]
        count = counts[p]
        levels[0, lane] = targets[p]
        for c in range(count):
            x[c, lane] = items[p, c]
        for c in range(count, most + 1):
            x[c, lane] = 0
    return most


@numba.njit
def _lay_out_pairs(m, starts, members):  # type: ignore[no-untyped-def]
    """Pairs in lexicographic order: starts[i] is the place of (i, i + 1), members its two."""
    q = 0
    for i in range(m):
        starts[i] = q
        for j in range(i + 1, m):
            members[q, 0], members[q, 1] = i, j
            q += 1
    starts[m] = q


@numba.njit
def _pair_sums(x, m, pairs):  # type: ignore[no-untyped-def]
    q = 0
    for i in range(m):
        for j in range(i + 1, m):
            add_rows(pairs, q, x, i, x, j)
            q += 1


@numba.njit
def _advance(head, depth, m, size):  # type: ignore[no-untyped-def]
    """The next of the head's first ``depth`` elements; the place that moved, or -1 at the end."""
    e = depth - 1
    while e >= 0 and head[e] == m - size + e:
        e -= 1
    if e >= 0:
        head[e] += 1
        for f in range(e + 1, depth):
            head[f] = head[f - 1] + 1
    return e


@numba.njit
def _search(size, m, x, pairs, starts, levels, head, best, places):  # type: ignore[no-untyped-def]
    """Improve on ``best`` by subsets of ``size`` elements.

    ``places`` notes the number of the subset's first size - 2 elements, in lexicographic order.
    """
    if size == 0:
        for lane in range(LANES):
            best[0, lane] = min(best[0, lane], _I(abs(levels[0, lane])))
        return
    if size <= 2:
        table, rows = (x, m) if size == 1 else (pairs, starts[m])
        scan(levels, 0, x, m, table, 0, rows, best, places, 0)
        return
    depth = size - 3
    for e in range(depth):
        head[e] = e
    moved, number = 0, 0
    while moved >= 0:
        for e in range(moved, depth):
            subtract_rows(levels, e + 1, levels, e, x, head[e])
        after = head[depth - 1] + 1 if depth else 0
        for c in range(after, m - 2):
            scan(levels, depth, x, c, pairs, starts[c + 1], starts[m], best, places, number)
            number += 1
        moved = _advance(head, depth, m, size)


@numba.njit
def _head_at(number, length, n, head):  # type: ignore[no-untyped-def]
    """The ``number``-th of the combinations of ``length`` out of n elements, lexicographically."""
    element = 0
    for e in range(length):
        while True:
            rest, chosen = n - element - 1, length - e - 1
            following = 1
            for f in range(chosen):
                following = following * (rest - f) // (f + 1)
            if number < following:
                break
            number -= following
            element += 1
        head[e] = element
        element += 1


@numba.njit
def _choose(size, m, x, pairs, starts, members, target, lane, number, gap, head):  # type: ignore[no-untyped-def]
    """Write the subset found in a lane to ``head``; False where its sum wrapped around."""
    if size == 1:
        head[0] = _row_at(x, lane, 0, target, gap)
    elif size >= 2:
        length = size - 2
        wanted, row = target, 0
        if length == 1:
            head[0] = number
        elif length:
            _head_at(number, length, m - 2, head)
        for e in range(length):
            wanted = _I(wanted - x[head[e], lane])
            row = starts[head[e] + 1]
        row = _row_at(pairs, lane, row, wanted, gap)
        head[length], head[length + 1] = members[row, 0], members[row, 1]
    if size <= _NEVER_WRAPS:
        return True
    total = np.int64(0)
    for e in range(size):
        total += x[head[e], lane]
    return abs(total - target) == gap


@numba.njit
def _solve_group(m, first_size, last_size, tolerance, least_error, tables):  # type: ignore[no-untyped-def]
    """The best size of every lane goes to ``found``, -1 where there is none."""
    x, levels, pairs, starts, _, head, best, places, errors, found = tables
    if last_size >= 2:
        _pair_sums(x, m, pairs)
    for lane in range(LANES):
        best[0, lane], found[lane], places[0, lane] = tolerance + 1, UNSOLVED, 0
        errors[lane] = best[0, lane]
    for size in range(first_size, min(last_size, m) + 1):
        _search(size, m, x, pairs, starts, levels, head, best, places)
        for lane in range(LANES):
            done = found[lane] >= 0 and not least_error
            if best[0, lane] < errors[lane] and not done:
                found[lane], errors[lane] = size, best[0, lane]
            if found[lane] >= 0 and not least_error:
                best[0, lane] = 0  # no gap is below it: the lane is done


@numba.njit
def _solve_open(  # type: ignore[no-untyped-def]
    problems, places, last, first_size, last_size, tolerance, least_error, solutions, tables
):
    """Solve places[:last]; those left unsolved come to the front. Returns how many."""
    items, counts, targets = problems
    sizes, choices = solutions
    x, levels, pairs, starts, members, head, _, numbers, errors, found = tables
    still, laid_out = 0, -1
    for first in range(0, last, LANES):
        m = _gather(items, counts, targets, places, first, last, x, levels)
        if m != laid_out:
            _lay_out_pairs(m, starts, members)
            laid_out = m
        _solve_group(m, first_size, last_size, tolerance, least_error, tables)
        for lane in range(min(LANES, last - first)):
            p, size = places[first + lane], found[lane]
            if size < 0:
                places[still] = p
                still += 1
                continue
            number, gap, target = numbers[0, lane], errors[lane], targets[p]
            if _choose(size, m, x, pairs, starts, members, target, lane, number, gap, head):
                sizes[p] = size
                for e in range(size):
                    choices[p, e] = head[e]
            else:
                sizes[p] = DOUBTFUL
    return still


@numba.njit
def _make_tables(width):  # type: ignore[no-untyped-def]
    pairs = width * (width - 1) // 2 + 1
    return (
        make_rows(width + 1),
        make_rows(width + 1),
        make_rows(pairs),
        np.empty(width + 1, np.int64),
        np.empty((pairs, 2), np.int64),
        np.empty(width + 1, np.int64),
        make_rows(1),
        make_rows(1),
        np.empty(LANES, np.int32),
        np.empty(LANES, np.int64),
    )


@numba.njit(parallel=True, cache=True)
def _enumerate(  # type: ignore[no-untyped-def]
    items, counts, targets, places, first_size, last_size, tolerance, least_error, sizes, choices
):
    per_chunk = min(_CHUNK, max(LANES, places.size // (4 * LANES) * LANES))
    together = last_size if least_error else _TOGETHER
    for chunk in numba.prange((places.size + per_chunk - 1) // per_chunk):
        tables = _make_tables(items.shape[1])
        open_places = places[chunk * per_chunk : (chunk + 1) * per_chunk].copy()
        size, still = first_size, open_places.size
        while size <= last_size and still:
            last = min(last_size, max(size, together))
            still = _solve_open(
                (items, counts, targets),
                open_places,
                still,
                size,
                last,
                tolerance,
                least_error,
                (sizes, choices),
                tables,
            )
            size = last + 1


def enumerate_subsets(
    batch: ProblemBatch,
    places: NDArray[np.int64],
    first_size: int,
    last_size: int,
    solutions: SolutionBatch,
) -> None:
    """Search subsets of first_size ... last_size elements, into ``solutions``.

    Args:
        batch: the problems.
        places: (open,) which of them to solve; no smaller subset solves them.
        first_size: the least number of elements to try.
        last_size: the largest.
        solutions: of the whole batch. Sizes become DOUBTFUL (-2) where a sum wrapped around.
    """
    _enumerate(
        batch.items,
        batch.counts,
        batch.targets,
        places,
        first_size,
        last_size,
        np.int32(min(batch.tolerance, 2**31 - 2)),
        batch.objective is Objective.LEAST_ERROR,
        solutions.sizes,
        solutions.choices,
    )
