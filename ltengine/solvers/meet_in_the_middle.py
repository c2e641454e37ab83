"""Any subset size by meeting in the middle, with the sizes kept apart.

The candidates are split into two halves. The subsets of each half are listed by size, ascending by
sum. For size k and every split k = a + b, one walk over (first half's subsets of size a, second
half's of size b) finds the nearest sum to the target. The first k that comes within tolerance is
the smallest, and the walk's minimum is its least error; for the least error of all, every k is
walked.

A subset is a bit mask in which candidate 0 has the most significant bit. Of two subsets of the
same size, the one with the larger mask is then the lexicographically first index tuple: at the
first place where the tuples differ, the smaller index is the more significant bit. A listed subset
is one integer, sum * 2^20 + (the mask's complement), whose order is that of (sum, mask descending).

Method: Horowitz and Sahni, "Computing partitions with applications to the knapsack problem",
JACM 21 (1974). Cost: about 2^(m/2) for each size.
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.problem import UNSOLVED, Objective, ProblemBatch, SolutionBatch

MOST_CANDIDATES = 40
"""Each half lists 2^20 subsets then; more would take the memory of the machine."""
_MASK_BITS = 20
_MASK = np.int64((1 << _MASK_BITS) - 1)


@numba.njit
def _class_starts(half, starts):  # type: ignore[no-untyped-def]
    """starts[s] = number of subsets of fewer than s of ``half`` elements."""
    binomial = np.int64(1)
    starts[0] = 0
    for s in range(half + 1):
        starts[s + 1] = starts[s] + binomial
        binomial = binomial * (half - s) // (s + 1)


@numba.njit
def _list_subsets(x, first, half, largest, keys, starts, lengths):  # type: ignore[no-untyped-def]
    """Subsets of x[first : first + half] of up to ``largest`` elements, each class ascending.

    Adding an element to all listed subsets merges class s with class s - 1 shifted by it; going
    from the last place backwards this needs no second array.
    """
    _class_starts(half, starts)
    lengths[: half + 2] = 0
    keys[0], lengths[0] = _MASK, 1
    for e in range(half):
        step = (np.int64(x[first + e]) << _MASK_BITS) - (np.int64(1) << (half - 1 - e))
        for s in range(min(e + 1, largest), 0, -1):
            first_a, first_b = starts[s], starts[s - 1]
            a, b = first_a + lengths[s] - 1, first_b + lengths[s - 1] - 1
            out = a + lengths[s - 1]
            while a >= first_a and b >= first_b:
                key_a, key_b = keys[a], keys[b] + step
                upper = key_a > key_b
                keys[out] = key_a if upper else key_b
                a -= np.int64(upper)
                b -= np.int64(not upper)
                out -= 1
            while b >= first_b:
                keys[out] = keys[b] + step
                b -= 1
                out -= 1
            lengths[s] += lengths[s - 1]


@numba.njit(inline="always")
def _first_equal(keys, place, start):  # type: ignore[no-untyped-def]
    """The first place of the run of equal sums that ``place`` is in."""
    while place > start and keys[place - 1] >> _MASK_BITS == keys[place] >> _MASK_BITS:
        place -= 1
    return place


@numba.njit
def _walk(keys_a, a0, a1, keys_b, b0, b1, target, shift, best, best_mask):  # type: ignore[no-untyped-def]
    """The best (error, mask) over one pair of classes, beginning with what is known."""
    b = b1 - 1
    for a in range(a0, a1):
        wanted = target - (keys_a[a] >> _MASK_BITS)
        beyond = (wanted + 1) << _MASK_BITS
        while b >= b0 and keys_b[b] >= beyond:
            b -= 1
        for place in (b, b + 1):
            if place < b0 or place >= b1:
                continue
            error = abs((keys_b[place] >> _MASK_BITS) - wanted)
            if error > best:
                continue
            first = _first_equal(keys_b, place, b0)
            mask = ((_MASK - (keys_a[a] & _MASK)) << shift) | (_MASK - (keys_b[first] & _MASK))
            if error < best or mask > best_mask:
                best, best_mask = error, mask
    return best, best_mask


@numba.njit
def _solve_one(x, m, target, tolerance, first_size, largest, least_error, choice, lists):  # type: ignore[no-untyped-def]
    keys_a, keys_b, starts_a, starts_b, lengths = lists
    half_a = m // 2
    half_b = m - half_a
    _list_subsets(x, 0, half_a, largest, keys_a, starts_a, lengths)
    _list_subsets(x, half_a, half_b, largest, keys_b, starts_b, lengths)
    found, best, mask = UNSOLVED, tolerance + 1, np.int64(-1)
    for k in range(first_size, min(largest, m) + 1):
        k_best, k_mask = best, np.int64(-1)
        for a in range(max(0, k - half_b), min(k, half_a) + 1):
            a0, a1 = starts_a[a], starts_a[a + 1]
            b0, b1 = starts_b[k - a], starts_b[k - a + 1]
            k_best, k_mask = _walk(keys_a, a0, a1, keys_b, b0, b1, target, half_b, k_best, k_mask)
        if k_best < best:
            found, best, mask = k, k_best, k_mask
            if best == 0 or not least_error:
                break
    e = 0
    for c in range(m):
        if found > 0 and (mask >> (m - 1 - c)) & 1:
            choice[e] = c
            e += 1
    return found


@numba.njit(parallel=True, cache=True)
def _solve_open(  # type: ignore[no-untyped-def]
    items,
    counts,
    targets,
    places,
    most,
    tolerance,
    first_size,
    largest,
    least_error,
    sizes,
    choices,
):
    chunks = min(places.size, 64)
    room = np.int64(1) << (most - most // 2)
    for chunk in numba.prange(chunks):
        lists = (
            np.empty(room, np.int64),
            np.empty(room, np.int64),
            np.empty(most + 2, np.int64),
            np.empty(most + 2, np.int64),
            np.empty(most + 2, np.int64),
        )
        # every so-many-th problem, so that hard ones are spread over the chunks
        for place in range(chunk, places.size, chunks):
            p = places[place]
            sizes[p] = _solve_one(
                items[p],
                counts[p],
                np.int64(targets[p]),
                tolerance,
                first_size,
                largest,
                least_error,
                choices[p],
                lists,
            )


def meet_in_the_middle(
    batch: ProblemBatch, places: NDArray[np.int64], first_size: int, solutions: SolutionBatch
) -> None:
    """Search subsets of first_size ... largest_subset elements, into ``solutions``.

    Args:
        batch: the problems.
        places: (open,) which of them to solve; no smaller subset solves them.
        first_size: the least number of elements to try.
        solutions: of the whole batch.

    Raises:
        ValueError: a problem has more than 40 candidates.
    """
    most = int(batch.counts[places].max(initial=0))
    if most > MOST_CANDIDATES:
        raise ValueError(f"{most} candidates, at most {MOST_CANDIDATES}")
    _solve_open(
        batch.items,
        batch.counts,
        batch.targets,
        places,
        most,
        np.int64(batch.tolerance),
        first_size,
        batch.largest_subset,
        batch.objective is Objective.LEAST_ERROR,
        solutions.sizes,
        solutions.choices,
    )


class MeetInTheMiddleSolver:
    """Exact for every subset size; for problems that enumeration leaves open."""

    def solve(self, batch: ProblemBatch) -> SolutionBatch:
        """Solutions of up to largest_subset elements.

        Raises:
            ValueError: a problem has more than 40 candidates.
        """
        solutions = SolutionBatch.empty(batch.targets.size, batch.largest_subset)
        meet_in_the_middle(batch, np.arange(batch.targets.size), 0, solutions)
        return solutions
