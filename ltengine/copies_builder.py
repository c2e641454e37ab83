"""Building rows of one layer of copies: pose their problems, solve them, keep the cells.

What becomes of a row depends on the blueprint and that row alone: neither on the other rows that
are built with it, nor on what was built before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ltengine.base_set import build_base_sets
from ltengine.blueprint import Blueprint
from ltengine.cell_problem import CellSolver
from ltengine.construction_kernel import chosen_cells
from ltengine.errors import Canceled
from ltengine.intercept import Intercepts, balance, sum_intercepts
from ltengine.layer_solver import LayerSolver, Solved
from ltengine.plan import LayerPlan
from ltengine.posing import Problems, pose, pose_biases, row_chunks
from ltengine.problem import SolutionBatch
from ltengine.problem_counts import RowCounts
from ltengine.progress import AskCancel

Cells: TypeAlias = tuple[NDArray[np.integer], NDArray[np.integer]]
"""(rows, columns)."""


@dataclass(frozen=True, slots=True)
class BuiltRows:
    """Some rows, and what was found for them.

    Attributes:
        rows: ascending.
        cells: what they keep, in no order.
        solved: their problems with solutions, first those of the weights.
    """

    rows: NDArray[np.int64]
    cells: Cells
    solved: tuple[tuple[Problems, Solved], ...]

    @property
    def problems(self) -> int:
        """How many they posed."""
        return sum(problems.rows.size for problems, _ in self.solved)

    def count(self, counts: RowCounts, first: int = 0) -> None:
        """Add the problems to counts whose first row is ``first``."""
        for problems, solved in self.solved:
            counts.add(problems.rows - first, solved.solutions.sizes, solved.with_spares)


class CopiesBuilder:
    """Builds rows of one layer of copies."""

    def __init__(self, blueprint: Blueprint, layer: LayerPlan, solver: CellSolver) -> None:
        self._source = blueprint.source
        self._layer = layer
        self._target = blueprint.target(layer)
        below = blueprint.plan.layers[layer.layer - 2]
        constants = blueprint.chain[layer.layer - 2].constants
        self._base_sets = build_base_sets(self._source, layer, below, constants)
        self._solver = LayerSolver(
            self._source, layer, self._base_sets, below.unit_scale, solver, blueprint.objective
        )

    def build(
        self, rows: NDArray[np.int64], problems_per_chunk: int, cancel: AskCancel
    ) -> Iterator[BuiltRows]:
        """Build rows (ascending), a chunk of about so many problems at a time.

        Raises:
            Canceled: ``cancel`` said so.
        """
        chunks = row_chunks(rows, self._layer, self._target, self._base_sets, problems_per_chunk)
        for chunk in chunks:
            if cancel():
                raise Canceled
            yield self._build(chunk)

    def describe_unsolved(self, row: int, most: int) -> list[str]:
        """The first problems of a row that have no solution, in words."""
        built = self._build(np.array([row]))
        return [
            self._solver.describe(problems, int(place))
            for problems, solved in built.solved
            for place in solved.solutions.unsolved()
        ][:most]

    def _build(self, rows: NDArray[np.int64]) -> BuiltRows:
        problems = pose(rows, self._layer, self._target, self._base_sets)
        solved = self._solver.solve(problems)
        cells = self._kept_cells(problems, solved.solutions)
        if self._base_sets.intercepts is None:
            return BuiltRows(rows, cells, ((problems, solved),))
        return self._with_biases(rows, problems, solved, cells, self._base_sets.intercepts)

    def _with_biases(
        self,
        rows: NDArray[np.int64],
        of_weights: Problems,
        solved_weights: Solved,
        cells: Cells,
        intercepts: Intercepts,
    ) -> BuiltRows:
        """Above always-on carriers: also the cells that make each row's bias what it should be."""
        layer, unit = self._layer.layer, self._solver.unit
        sums = sum_intercepts(self._source, layer, rows, *cells, intercepts)
        wanted = self._target.biases[rows // self._layer.block_size] / unit - sums
        balanced = balance(self._source, layer, rows, wanted, intercepts)
        problems = pose_biases(rows, balanced.remainders * unit, self._base_sets)
        solved = self._solver.solve(problems)
        parts = (
            cells,
            (balanced.cell_rows, balanced.cell_columns),
            self._kept_cells(problems, solved.solutions),
        )
        kept_rows, kept_columns = zip(*parts, strict=True)
        return BuiltRows(
            rows,
            (np.concatenate(kept_rows), np.concatenate(kept_columns)),
            ((of_weights, solved_weights), (problems, solved)),
        )

    def _kept_cells(self, problems: Problems, solutions: SolutionBatch) -> Cells:
        """Every cell that a solution keeps."""
        rows, columns = chosen_cells(
            problems.rows,
            problems.base_sets,
            solutions.sizes,
            solutions.choices,
            self._base_sets.columns,
        )
        return rows, columns


def expected_problems(blueprint: Blueprint, layer: LayerPlan) -> int:
    """About how many problems a layer poses: those of the copies that its readers mostly use."""
    copies = 1
    if layer.block_size > 1:
        copies = min(layer.block_size, blueprint.plan.layers[layer.layer].requirement.base_set.size)
    below = blueprint.plan.layers[layer.layer - 2]
    return blueprint.target(layer).nonzero * copies * below.base_sets_per_unit
