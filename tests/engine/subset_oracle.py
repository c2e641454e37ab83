"""The brute-force oracle of subset-sum solvers: every subset, in exact 64-bit integers.

It is written from the law alone (DESIGN law 4) and shares no idea with any solver: all subsets in
order of size and then of index tuple, each one's sum, and the first least error among them. Fast
enough for tens of thousands of problems of up to 14 candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ltengine.problem import NO_CHOICE, UNSOLVED, Objective, ProblemBatch, SolutionBatch

MOST_CANDIDATES = 16
PROBLEMS_PER_CHUNK = 256


@cache
def _subsets(candidates: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(subset, element) index tuples in lexicographic order; the place of each one's beginning.

    A beginning is the tuple without its last element, among the tuples one shorter.
    """
    tuples = list(combinations(range(candidates), size))
    shorter = {t: place for place, t in enumerate(combinations(range(candidates), size - 1))}
    beginnings = np.array([shorter[t[:-1]] for t in tuples], dtype=np.int64)
    return np.array(tuples, dtype=np.int64).reshape(len(tuples), size), beginnings


def _classes(
    items: NDArray[np.int64], largest: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For sizes 0, 1, ...: the index tuples and the (subset, problem) sums."""
    candidates = items.shape[1]
    by_candidate = np.ascontiguousarray(items.T)
    sums = np.zeros((1, items.shape[0]), np.int64)
    yield np.zeros((1, 0), np.int64), sums
    for size in range(1, min(largest, candidates) + 1):
        tuples, beginnings = _subsets(candidates, size)
        sums = sums[beginnings] + by_candidate[tuples[:, -1]]
        yield tuples, sums


def _solve_chunk(
    items: NDArray[np.int64],
    targets: NDArray[np.int64],
    tolerance: int,
    largest: int,
    least_error: bool,
    sizes: NDArray[np.int8],
    choices: NDArray[np.uint8],
) -> None:
    best = np.full(targets.size, tolerance + 1, np.int64)
    for size, (tuples, sums) in enumerate(_classes(items, largest)):
        gaps = np.abs(sums - targets)
        first = gaps.argmin(axis=0)  # the first of equals, so the lexicographically first
        least = gaps[first, np.arange(targets.size)]
        better = np.flatnonzero((least < best) & (least_error | (sizes == UNSOLVED)))
        best[better] = least[better]
        sizes[better] = size
        choices[better, :size] = tuples[first[better]]


def _solve(batch: ProblemBatch, least_error: bool) -> SolutionBatch:
    found = SolutionBatch.empty(batch.targets.size, batch.largest_subset)
    for count in np.unique(batch.counts):
        if count > MOST_CANDIDATES:
            raise ValueError(f"{count} candidates are too many for brute force")
        alike = np.flatnonzero(batch.counts == count)
        for start in range(0, alike.size, PROBLEMS_PER_CHUNK):
            chunk = alike[start : start + PROBLEMS_PER_CHUNK]
            sizes, choices = found.sizes[chunk], found.choices[chunk]
            _solve_chunk(
                batch.items[chunk, :count].astype(np.int64),
                batch.targets[chunk].astype(np.int64),
                batch.tolerance,
                batch.largest_subset,
                least_error,
                sizes,
                choices,
            )
            found.sizes[chunk], found.choices[chunk] = sizes, choices
    return found


def smallest_subsets(batch: ProblemBatch) -> SolutionBatch:
    """Fewest elements within tolerance; of those least error; of those the first index tuple."""
    return _solve(batch, least_error=False)


def least_errors(batch: ProblemBatch) -> SolutionBatch:
    """Least error within tolerance; of those fewest elements; of those the first index tuple."""
    return _solve(batch, least_error=True)


def optima(batch: ProblemBatch) -> SolutionBatch:
    """What the batch asks for."""
    return _solve(batch, least_error=batch.objective is Objective.LEAST_ERROR)


def same_solutions(one: SolutionBatch, other: SolutionBatch) -> bool:
    """Whether two batches agree in every size and every chosen index."""
    used = np.arange(one.choices.shape[1]) < np.maximum(one.sizes, 0)[:, None]
    kept = [np.where(used, batch.choices, NO_CHOICE) for batch in (one, other)]
    return bool((one.sizes == other.sizes).all() and (kept[0] == kept[1]).all())
