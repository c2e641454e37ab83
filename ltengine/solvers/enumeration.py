"""Subsets of up to four elements by vectorised enumeration; nearly every problem ends here.

m is the number of candidates. Pair sums are laid out in lexicographic order, so that the subsets
of three or four elements with a given beginning are one contiguous run of pairs, which the
compiler turns into vector instructions. Cost: m + m^2/2 + m^3/6 + m^4/24 additions at most.
"""

from __future__ import annotations

import numba
import numpy as np

from ltengine.problem import ProblemBatch, SolutionBatch

LARGEST_ENUMERATED = 4
_I = np.int32
_HUGE = np.int32(2**31 - 1)
_CHUNKS = 256


@numba.njit(inline="always")
def _least_gap(values, first, last, target):  # type: ignore[no-untyped-def]
    """Min over values[first:last] of |value - target|."""
    least = _HUGE
    for q in range(first, last):
        gap = _I(values[q] - target)
        gap = _I(max(gap, _I(-gap)))
        least = _I(min(least, gap))
    return least


@numba.njit(inline="always")
def _first_at(values, first, target, gap):  # type: ignore[no-untyped-def]
    """The first place from ``first`` on whose |value - target| is ``gap``."""
    q = first
    while _I(abs(_I(values[q] - target))) != gap:
        q += 1
    return q


@numba.njit(inline="always")
def _place_of_pair(starts, pair):  # type: ignore[no-untyped-def]
    """(i, j) of a pair's place in lexicographic order; starts[i] is the place of (i, i + 1)."""
    i = 0
    while starts[i + 1] <= pair:
        i += 1
    return i, i + 1 + pair - starts[i]


@numba.njit
def _pair_sums(x, m, pairs, starts):  # type: ignore[no-untyped-def]
    q = 0
    for i in range(m):
        starts[i] = q
        for j in range(i + 1, m):
            pairs[q + j - i - 1] = _I(x[i] + x[j])
        q += m - i - 1
    starts[m] = q
    return q


@numba.njit
def _solve_three(x, m, pairs, starts, count, target, tolerance, choice):  # type: ignore[no-untyped-def]
    best, first = _HUGE, 0
    for i in range(m - 2):
        gap = _least_gap(pairs, starts[i + 1], count, _I(target - x[i]))
        if gap < best:
            best, first = gap, i
    if best > tolerance:
        return False
    pair = _first_at(pairs, starts[first + 1], _I(target - x[first]), best)
    choice[0] = first
    choice[1], choice[2] = _place_of_pair(starts, pair)
    return True


@numba.njit
def _solve_four(m, pairs, starts, count, target, tolerance, choice):  # type: ignore[no-untyped-def]
    best, head, tail = _HUGE, 0, 0
    for i in range(m - 3):
        for j in range(i + 1, m - 2):
            pair = starts[i] + j - i - 1
            gap = _least_gap(pairs, starts[j + 1], count, _I(target - pairs[pair]))
            if gap < best:
                best, head, tail = gap, pair, starts[j + 1]
    if best > tolerance:
        return False
    pair = _first_at(pairs, tail, _I(target - pairs[head]), best)
    choice[0], choice[1] = _place_of_pair(starts, head)
    choice[2], choice[3] = _place_of_pair(starts, pair)
    return True


@numba.njit
def _solve_one(x, m, target, tolerance, largest, pairs, starts, choice):  # type: ignore[no-untyped-def]
    """The size of the smallest subset of up to four elements, or -1; fills ``choice``."""
    if abs(target) <= tolerance:
        return 0
    if largest < 1 or m < 1:
        return -1
    gap = _least_gap(x, 0, m, target)
    if gap <= tolerance:
        choice[0] = _first_at(x, 0, target, gap)
        return 1
    if largest < 2 or m < 2:
        return -1
    count = _pair_sums(x, m, pairs, starts)
    gap = _least_gap(pairs, 0, count, target)
    if gap <= tolerance:
        choice[0], choice[1] = _place_of_pair(starts, _first_at(pairs, 0, target, gap))
        return 2
    if largest < 3 or m < 3:
        return -1
    if _solve_three(x, m, pairs, starts, count, target, tolerance, choice):
        return 3
    if largest < 4 or m < 4:
        return -1
    if _solve_four(m, pairs, starts, count, target, tolerance, choice):
        return 4
    return -1


@numba.njit(parallel=True, cache=True)
def _solve_batch(items, counts, targets, tolerance, largest, sizes, choices):  # type: ignore[no-untyped-def]
    problems, width = items.shape
    per_chunk = (problems + _CHUNKS - 1) // _CHUNKS
    for chunk in numba.prange(_CHUNKS):
        pairs = np.empty(width * (width - 1) // 2 + 1, np.int32)
        starts = np.empty(width + 1, np.int64)
        choice = np.empty(4, np.int64)
        for p in range(chunk * per_chunk, min(problems, (chunk + 1) * per_chunk)):
            size = _solve_one(
                items[p], counts[p], targets[p], tolerance, largest, pairs, starts, choice
            )
            sizes[p] = size
            for e in range(size):
                choices[p, e] = choice[e]


class EnumerationSolver:
    """Exact for solutions of up to four elements; leaves the rest unsolved."""

    def solve(self, batch: ProblemBatch) -> SolutionBatch:
        """Solutions of up to min(4, largest_subset) elements."""
        solutions = SolutionBatch.empty(batch.targets.size, batch.largest_subset)
        largest = min(LARGEST_ENUMERATED, batch.largest_subset)
        _solve_batch(
            batch.items,
            batch.counts,
            batch.targets,
            np.int32(batch.tolerance),
            largest,
            solutions.sizes,
            solutions.choices,
        )
        return solutions
