"""The solver that construction uses: enumeration first, then meeting in the middle."""

from __future__ import annotations

from math import comb

import numpy as np

from ltengine.problem import Objective, ProblemBatch, SolutionBatch
from ltengine.solvers.enumeration import DOUBTFUL, enumerate_subsets
from ltengine.solvers.lanes import LANES
from ltengine.solvers.meet_in_the_middle import meet_in_the_middle

ALWAYS_ENUMERATED = 4
"""Sizes up to this are enumerated in one go."""
MOST_ENUMERATED = 1_500_000
"""Subsets of one size of one problem beyond which meeting in the middle is faster."""
MOST_ENUMERATED_FOR_LEAST_ERROR = 1 << 19


def _worth_enumerating(subsets: int, problems: int, most: int) -> bool:
    """Lanes without a problem cost as much as those with one."""
    lanes = -(-problems // LANES) * LANES
    return subsets * lanes <= most * problems


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
        size, open_problems = last + 1, solutions.unsolved()
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
