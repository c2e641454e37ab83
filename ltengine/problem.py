"""Subset-sum problems on a fixed-point grid, and their solutions.

Everything a solver sees is an integer in units of 2^-28, so its comparisons cannot round and every
solver, on every device, means the same optimum (DESIGN laws 3 and 4). By objective:

    smallest subsets: the fewest elements with |sum - target| <= tolerance; among those the least
    |sum - target|; among those the lexicographically first index tuple.

    least error: the least |sum - target| <= tolerance; among those the fewest elements; among those
    the lexicographically first index tuple.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FRACTION_BITS = 28
"""Items are below 2 and targets at most 4 in size. Sums of four items may wrap around in 32 bits,
but a wrapped sum is off by 16 and so never seems to meet its target."""

ITEM_LIMIT = 2.0
"""Larger items are not offered (normal cells can be large)."""

UNSOLVED = -1
NO_CHOICE = 255


class Objective(Enum):
    """Which of the subsets within tolerance is the optimum."""

    SMALLEST_SUBSETS = "smallest_subsets"
    LEAST_ERROR = "least_error"


def fixed_point_targets(values: NDArray[np.float64]) -> NDArray[np.int32]:
    """Targets, |value| <= 4, on the problems' grid."""
    return np.rint(values * 2.0**FRACTION_BITS).astype(np.int32)


def fixed_point_tolerance(tolerance: float, largest_subset: int) -> int:
    """The integer tolerance that keeps the real error within ``tolerance``.

    Rounding moves the target and each chosen item by at most half a unit.
    """
    return int(np.floor(tolerance * 2.0**FRACTION_BITS - (largest_subset + 1) / 2))


@dataclass(frozen=True, slots=True)
class ProblemBatch:
    """Problems that share a tolerance.

    Attributes:
        items: (problem, candidate) int32, units of 2^-28.
        counts: (problem,) int64, how many leading candidates are offered.
        targets: (problem,) int32, |target| <= 4.
        tolerance: in the same units, >= 0.
        largest_subset: the most elements a solution may use, from 1.
        objective: which subset within tolerance to find.
    """

    items: NDArray[np.int32]
    counts: NDArray[np.int64]
    targets: NDArray[np.int32]
    tolerance: int
    largest_subset: int
    objective: Objective = Objective.SMALLEST_SUBSETS

    def take(self, indices: NDArray[np.int64]) -> ProblemBatch:
        """The problems at these places."""
        return replace(
            self,
            items=self.items[indices],
            counts=self.counts[indices],
            targets=self.targets[indices],
        )


@dataclass(frozen=True, slots=True)
class SolutionBatch:
    """What a solver found.

    Attributes:
        sizes: (problem,) int8, elements used; UNSOLVED (-1) where no subset is within tolerance.
        choices: (problem, largest_subset) uint8, candidate indices ascending; places past a
            solution's size hold 255.
    """

    sizes: NDArray[np.int8]
    choices: NDArray[np.uint8]

    @staticmethod
    def empty(problems: int, largest_subset: int) -> SolutionBatch:
        """All unsolved."""
        return SolutionBatch(
            np.full(problems, UNSOLVED, dtype=np.int8),
            np.full((problems, largest_subset), NO_CHOICE, dtype=np.uint8),
        )

    def unsolved(self) -> NDArray[np.int64]:
        """Places of the problems without a solution."""
        return np.flatnonzero(self.sizes == UNSOLVED)


class Solver(Protocol):
    """Finds the optimum of every problem in a batch, as defined at the top of this module."""

    def solve(self, batch: ProblemBatch) -> SolutionBatch:
        """Solutions in the order of the problems."""
        ...
