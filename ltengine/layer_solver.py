"""Solving a layer's problems: first with their base sets, then with spares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.base_set import BaseSets
from ltengine.cell_problem import CellProblems, CellSolver
from ltengine.plan import LayerPlan
from ltengine.posing import Problems
from ltengine.problem import (
    NO_CHOICE,
    UNSOLVED,
    Objective,
    SolutionBatch,
    fixed_point_targets,
    fixed_point_tolerance,
)
from ltengine.source import Source

LARGEST_OFFER = 32
"""More candidates at once would make the exact search of a stubborn problem too slow."""
GROWTH = 4
SLIDE = 12


@dataclass(frozen=True, slots=True)
class Solved:
    """Problems with their solutions.

    Attributes:
        solutions: in the order of the problems.
        with_spares: (problem,) solved, but only with spare candidates.
    """

    solutions: SolutionBatch
    with_spares: NDArray[np.bool_]


def spare_offers(size: int, available: int) -> Iterator[tuple[int, int]]:
    """What a problem that its base set [0, size) cannot solve is offered, one after the other.

    Growing windows [0, size + 4), [0, size + 8), ... up to 32 candidates, then windows of that
    width sliding over the rest of the spares by twelve.
    """
    widest = max(size, min(LARGEST_OFFER, available))
    for last in range(size + GROWTH, widest + 1, GROWTH):
        yield 0, last
    if widest > size and (widest - size) % GROWTH:
        yield 0, widest
    for first in range(SLIDE, available - widest + SLIDE, SLIDE):
        last = min(first + widest, available)
        yield last - widest, last


class LayerSolver:
    """Solves the problems of one source layer, first with base sets, then with their spares."""

    def __init__(
        self,
        source: Source,
        layer: LayerPlan,
        base_sets: BaseSets,
        unit_scale: float,
        solver: CellSolver,
        objective: Objective,
    ) -> None:
        self._source = source
        self._layer = layer
        self._base_sets = base_sets
        self.unit = layer.scale * unit_scale
        """Targets are solved in these."""
        needs = layer.requirement
        self._size = needs.base_set.size
        self._largest = needs.base_set.largest_subset
        self._tolerance = fixed_point_tolerance(needs.tolerance / self.unit, self._largest)
        self._solver = solver
        self._objective = objective

    def _attempt(self, problems: Problems, first: int, last: int) -> SolutionBatch:
        """The optimum over the candidates first ... last - 1 of each problem's base set."""
        available = np.clip(self._base_sets.available - first, 0, last - first)
        posed = CellProblems(
            self._source,
            self._layer.layer,
            problems.rows,
            problems.base_sets,
            fixed_point_targets(problems.targets / self.unit),
            self._base_sets.addresses[:, first:last],
            self._base_sets.factors[:, first:last],
            available,
            self._tolerance,
            self._largest,
            self._objective,
        )
        solutions = self._solver.solve(posed)
        if first:
            solutions.choices[solutions.choices != NO_CHOICE] += np.uint8(first)
        return solutions

    def solve(self, problems: Problems) -> Solved:
        """The optimum over the base set, else over the first offer with spares that has one."""
        solutions = self._attempt(problems, 0, self._size)
        with_spares = np.zeros(problems.rows.size, np.bool_)
        open_problems = solutions.unsolved()
        for first, last in spare_offers(self._size, self._base_sets.addresses.shape[1]):
            if open_problems.size == 0:
                break
            found = self._attempt(problems.take(open_problems), first, last)
            solutions.sizes[open_problems] = found.sizes
            solutions.choices[open_problems] = found.choices
            with_spares[open_problems] = found.sizes != UNSOLVED
            open_problems = solutions.unsolved()
        return Solved(solutions, with_spares)

    def describe(self, problems: Problems, place: int) -> str:
        """One of the problems in words."""
        neuron = problems.rows[place] // self._layer.block_size
        base_set = int(problems.base_sets[place])
        unit = "bias" if base_set == self._base_sets.bias else "input"
        number = "" if unit == "bias" else f" {base_set // self._base_sets.per_unit}"
        return (
            f"target layer {self._layer.target_layer}, neuron {neuron}, {unit}{number} = "
            f"{problems.targets[place]:.6g}"
        )
