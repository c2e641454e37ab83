"""Any subset size by meeting in the middle, with the sizes kept apart.

The candidates are split into two halves. The subsets of each half are listed by size, ascending by
sum. For size k = 0, 1, 2, ... and every split k = a + b, one walk over (first half's subsets of
size a, second half's of size b) finds the nearest sum to the target. The first k that comes within
tolerance is the smallest, and the walk's minimum is its least error.

A subset is a bit mask in which candidate 0 has the most significant bit. Of two subsets of the
same size, the one with the larger mask is then the lexicographically first index tuple: at the
first place where the tuples differ, the smaller index is the more significant bit.

Method: Horowitz and Sahni, "Computing partitions with applications to the knapsack problem",
JACM 21 (1974). Cost: about 2^(m/2) for each size.
"""

from __future__ import annotations

import numba
import numpy as np

from ltengine.problem import ProblemBatch, SolutionBatch

_HUGE = np.int64(2**62)
MOST_CANDIDATES = 40
"""Each half lists 2^20 subsets then; more would take the memory of the machine."""


@numba.njit
def _class_starts(half):  # type: ignore[no-untyped-def]
    """starts[s] = number of subsets of fewer than s of ``half`` elements."""
    starts = np.zeros(half + 2, np.int64)
    binomial = np.int64(1)
    for s in range(half + 1):
        starts[s + 1] = starts[s] + binomial
        binomial = binomial * (half - s) // (s + 1)
    return starts


@numba.njit
def _list_subsets(x, first, half, sums, masks, starts):  # type: ignore[no-untyped-def]
    """Subsets of x[first : first + half] by size, each class by (sum, mask descending).

    Adding an element to all listed subsets merges class s with class s - 1 shifted by it; going
    from the last place backwards this needs no second array.
    """
    lengths = np.zeros(half + 2, np.int64)
    sums[0], masks[0], lengths[0] = 0, 0, 1
    for e in range(half):
        bit = np.int64(1) << (half - 1 - e)
        value = np.int64(x[first + e])
        for s in range(e + 1, 0, -1):
            a = starts[s] + lengths[s] - 1
            b = starts[s - 1] + lengths[s - 1] - 1
            out = a + lengths[s - 1]
            while b >= starts[s - 1]:
                sum_b, mask_b = sums[b] + value, masks[b] | bit
                if a >= starts[s] and (sums[a] > sum_b or (sums[a] == sum_b and masks[a] < mask_b)):
                    sums[out], masks[out] = sums[a], masks[a]
                    a -= 1
                else:
                    sums[out], masks[out] = sum_b, mask_b
                    b -= 1
                out -= 1
            lengths[s] += lengths[s - 1]


@numba.njit(inline="always")
def _first_equal(sums, place, start):  # type: ignore[no-untyped-def]
    """The first place of the run of equal sums that ``place`` is in."""
    while place > start and sums[place - 1] == sums[place]:
        place -= 1
    return place


@numba.njit
def _walk(sums_a, masks_a, a0, a1, sums_b, masks_b, b0, b1, target, shift, best, best_mask):  # type: ignore[no-untyped-def]
    """The best (error, mask) over one pair of classes, beginning with what is known."""
    b = b1 - 1
    for a in range(a0, a1):
        wanted = target - sums_a[a]
        while b >= b0 and sums_b[b] > wanted:
            b -= 1
        for place in (b, b + 1):
            if place < b0 or place >= b1:
                continue
            error = abs(sums_b[place] - wanted)
            if error > best:
                continue
            first = _first_equal(sums_b, place, b0)
            mask = (masks_a[a] << shift) | masks_b[first]
            if error < best or mask > best_mask:
                best, best_mask = error, mask
    return best, best_mask


@numba.njit
def _solve_one(x, m, target, tolerance, largest, choice):  # type: ignore[no-untyped-def]
    half_a = m // 2
    half_b = m - half_a
    starts_a, starts_b = _class_starts(half_a), _class_starts(half_b)
    sums_a, masks_a = np.empty(1 << half_a, np.int64), np.empty(1 << half_a, np.int64)
    sums_b, masks_b = np.empty(1 << half_b, np.int64), np.empty(1 << half_b, np.int64)
    _list_subsets(x, 0, half_a, sums_a, masks_a, starts_a)
    _list_subsets(x, half_a, half_b, sums_b, masks_b, starts_b)
    for k in range(min(largest, m) + 1):
        best, mask = _HUGE, np.int64(-1)
        for a in range(max(0, k - half_b), min(k, half_a) + 1):
            best, mask = _walk(
                sums_a,
                masks_a,
                starts_a[a],
                starts_a[a + 1],
                sums_b,
                masks_b,
                starts_b[k - a],
                starts_b[k - a + 1],
                np.int64(target),
                half_b,
                best,
                mask,
            )
        if best <= tolerance:
            e = 0
            for c in range(m):
                if (mask >> (m - 1 - c)) & 1:
                    choice[e] = c
                    e += 1
            return k
    return -1


@numba.njit(parallel=True, cache=True)
def _solve_batch(items, counts, targets, tolerance, largest, sizes, choices):  # type: ignore[no-untyped-def]
    for p in numba.prange(targets.shape[0]):
        sizes[p] = _solve_one(items[p], counts[p], targets[p], tolerance, largest, choices[p])


class MeetInTheMiddleSolver:
    """Exact for every subset size; for problems that enumeration leaves open."""

    def solve(self, batch: ProblemBatch) -> SolutionBatch:
        """Solutions of up to largest_subset elements.

        Raises:
            ValueError: a problem has more than 40 candidates.
        """
        if batch.counts.size and int(batch.counts.max()) > MOST_CANDIDATES:
            raise ValueError(f"{int(batch.counts.max())} candidates, at most {MOST_CANDIDATES}")
        solutions = SolutionBatch.empty(batch.targets.size, batch.largest_subset)
        _solve_batch(
            batch.items,
            batch.counts,
            batch.targets,
            np.int64(batch.tolerance),
            batch.largest_subset,
            solutions.sizes,
            solutions.choices,
        )
        return solutions
