"""The solver that construction uses: enumeration first, then meeting in the middle."""

from __future__ import annotations

from math import comb

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.problem import UNSOLVED, Objective, ProblemBatch, SolutionBatch
from ltengine.solvers.enumeration import DOUBTFUL, enumerate_subsets
from ltengine.solvers.lanes import LANES
from ltengine.solvers.meet_in_the_middle import meet_in_the_middle
from ltengine.solvers.ordered_search import is_reachable

ALWAYS_ENUMERATED = 4
"""Sizes up to this are enumerated in one go."""
MOST_ENUMERATED = 1_500_000
"""Subsets of one size of one problem beyond which meeting in the middle is faster."""
MOST_ENUMERATED_FOR_LEAST_ERROR = 1 << 19


def _worth_enumerating(subsets: int, problems: int, most: int) -> bool:
    """Lanes without a problem cost as much as those with one."""
    lanes = -(-problems // LANES) * LANES
    return subsets * lanes <= most * problems


@numba.njit(cache=True)
def _keep_reachable(items, counts, targets, tolerance, places, kept):  # type: ignore[no-untyped-def]
    count = 0
    for p in places:
        if is_reachable(items[p], counts[p], targets[p], tolerance):
            kept[count] = p
            count += 1
    return count


def _reachable(batch: ProblemBatch, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the places whose target all items of its sign together reach."""
    kept = np.empty_like(places)
    count = _keep_reachable(batch.items, batch.counts, batch.targets, batch.tolerance, places, kept)
    return kept[:count]


class CascadeSolver:
    """Exact for every subset size and fast where most solutions are small."""

    def solve(self, batch: ProblemBatch) -> SolutionBatch:
        """Solutions of up to largest_subset elements.

        Raises:
            ValueError: a problem that enumeration leaves open has more than 40 candidates.
        """
        solutions = SolutionBatch.empty(batch.targets.size, batch.largest_subset)
        if batch.objective is Objective.LEAST_ERROR:
            _least_errors(batch, solutions)
        else:
            _smallest_subsets(batch, solutions)
        return solutions


def _smallest_subsets(batch: ProblemBatch, solutions: SolutionBatch) -> None:
    most = int(batch.counts.max(initial=0))
    largest = min(batch.largest_subset, most)
    size, open_problems = 0, np.arange(batch.targets.size)
    while size <= largest and open_problems.size:
        last = min(largest, max(size, ALWAYS_ENUMERATED))
        if size > ALWAYS_ENUMERATED and not _worth_enumerating(
            comb(most, size), open_problems.size, MOST_ENUMERATED
        ):
            meet_in_the_middle(batch, open_problems, size, solutions)
            break
        enumerate_subsets(batch, open_problems, size, last, solutions)
        open_problems = open_problems[solutions.sizes[open_problems] == UNSOLVED]
        if size == 0:
            open_problems = _reachable(batch, open_problems)
        size = last + 1
    doubtful = np.flatnonzero(solutions.sizes == DOUBTFUL)
    if doubtful.size:
        meet_in_the_middle(batch, doubtful, ALWAYS_ENUMERATED + 1, solutions)


def _least_errors(batch: ProblemBatch, solutions: SolutionBatch) -> None:
    every = np.arange(batch.targets.size)
    most = int(batch.counts.max(initial=0))
    largest = min(batch.largest_subset, most)
    subsets = sum(comb(most, size) for size in range(largest + 1))
    if _worth_enumerating(subsets, max(every.size, 1), MOST_ENUMERATED_FOR_LEAST_ERROR):
        enumerate_subsets(batch, every, 0, largest, solutions)
        every = np.flatnonzero(solutions.sizes == DOUBTFUL)
    if every.size:
        meet_in_the_middle(batch, every, 0, solutions)
