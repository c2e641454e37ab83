"""Subset-sum problems over source cells: who solves them also draws the cells.

A construction names cells and targets; the items themselves are drawn where they are needed, in the
processor's caches or on the device, and never travel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ltengine.cell_kernel import draw_items
from ltengine.problem import FRACTION_BITS, Objective, ProblemBatch, SolutionBatch, Solver
from ltengine.source import Source

PROBLEMS_PER_CHUNK = 1 << 16
"""Solved at once on the processor; bounds the memory in use."""


@dataclass(frozen=True, slots=True)
class CellProblems:
    """Problems of one source layer; problem p draws the cells of its base set in its own row.

    Attributes:
        source: its seed and distribution.
        layer: source layer, from 1.
        rows: (problem,) int64, source row.
        base_sets: (problem,) int64, which base set it draws from.
        targets: (problem,) int32, units of 2^-28, |target| <= 4.
        columns: (base set, candidate) int64 source columns, ascending.
        factors: (base set, candidate) float64; a candidate's item is its cell times this.
        counts: (base set,) int64, how many leading candidates are offered.
        tolerance: units of 2^-28, >= 0.
        largest_subset: the most elements a solution may use, from 1.
        objective: which subset within tolerance to find.
    """

    source: Source
    layer: int
    rows: NDArray[np.int64]
    base_sets: NDArray[np.int64]
    targets: NDArray[np.int32]
    columns: NDArray[np.int64]
    factors: NDArray[np.float64]
    counts: NDArray[np.int64]
    tolerance: int
    largest_subset: int
    objective: Objective = Objective.SMALLEST_SUBSETS

    def take(self, places: NDArray[np.int64]) -> CellProblems:
        """The problems at these places."""
        return replace(
            self,
            rows=self.rows[places],
            base_sets=self.base_sets[places],
            targets=self.targets[places],
        )

    def draw(self) -> ProblemBatch:
        """The same problems with their items."""
        items = draw_items(
            self.source,
            self.layer,
            self.rows,
            self.base_sets,
            self.columns,
            self.factors,
            self.counts,
            FRACTION_BITS,
        )
        return ProblemBatch(
            items,
            self.counts[self.base_sets],
            self.targets,
            self.tolerance,
            self.largest_subset,
            self.objective,
        )


class CellSolver(Protocol):
    """Draws the cells of every problem and finds its optimum, as ``problem`` defines it.

    Attributes:
        problems_per_chunk: how many problems at once suit it.
    """

    problems_per_chunk: int

    def solve(self, problems: CellProblems) -> SolutionBatch:
        """Solutions in the order of the problems."""
        ...


class DrawnCellSolver:
    """On the processor: draw a chunk's items, then solve them."""

    problems_per_chunk = PROBLEMS_PER_CHUNK

    def __init__(self, solver: Solver) -> None:
        self._solver = solver

    def solve(self, problems: CellProblems) -> SolutionBatch:
        """Solutions in the order of the problems."""
        return self._solver.solve(problems.draw())
