"""Solving a layer's problems: first with their base sets, then with spares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

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
SHOWN_FAILURES = 3


@dataclass(slots=True)
class ProblemCounts:
    """What was solved, and how.

    Attributes:
        total: problems posed.
        unsolved: of them, without a solution.
        spare_used: of them, solved only with spare candidates.
        histogram: solutions by number of elements.
        failures: the first few unsolved ones, in words.
    """

    total: int = 0
    unsolved: int = 0
    spare_used: int = 0
    histogram: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    failures: list[str] = field(default_factory=list)

    def add_sizes(self, sizes: NDArray[np.int8]) -> None:
        """Count a chunk of solved problems."""
        counts = np.bincount(sizes[sizes >= 0], minlength=self.histogram.size)
        counts[: self.histogram.size] += self.histogram
        self.histogram = counts

    @property
    def mean_size(self) -> float:
        """Mean number of elements of a solution."""
        solved = self.histogram.sum()
        elements = (self.histogram * np.arange(self.histogram.size)).sum()
        return float(elements / solved) if solved else 0.0


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

    def solve(self, problems: Problems, counts: ProblemCounts) -> SolutionBatch:
        """The optimum over the base set, else over the first offer with spares that has one."""
        solutions = self._attempt(problems, 0, self._size)
        open_problems = solutions.unsolved()
        for first, last in spare_offers(self._size, self._base_sets.addresses.shape[1]):
            if open_problems.size == 0:
                break
            found = self._attempt(problems.take(open_problems), first, last)
            solutions.sizes[open_problems] = found.sizes
            solutions.choices[open_problems] = found.choices
            counts.spare_used += int((found.sizes != UNSOLVED).sum())
            open_problems = solutions.unsolved()
        counts.total += problems.rows.size
        counts.unsolved += open_problems.size
        counts.add_sizes(solutions.sizes)
        self._describe_failures(problems, open_problems, counts)
        return solutions

    def _describe_failures(
        self, problems: Problems, open_problems: NDArray[np.int64], counts: ProblemCounts
    ) -> None:
        for p in open_problems[: SHOWN_FAILURES - len(counts.failures)]:
            neuron = problems.rows[p] // self._layer.block_size
            base_set = int(problems.base_sets[p])
            unit = "bias" if base_set == self._base_sets.bias else "input"
            place = "" if unit == "bias" else f" {base_set // self._base_sets.per_unit}"
            counts.failures.append(
                f"target layer {self._layer.target_layer}, neuron {neuron}, {unit}{place} = "
                f"{problems.targets[p]:.6g}"
            )
