"""A sample of a layer's subset-sum problems, solved, from which all the others are drawn.

Problems of one layer differ in their target and in their base set. So some base sets are picked,
and for each of them and for each class of targets of like size some problems are solved exactly,
with the layer's real tolerance, cells and spares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.base_set import BaseSets
from ltengine.cell_kernel import draw_items
from ltengine.cell_problem import DrawnCellSolver
from ltengine.errors import Canceled
from ltengine.layer_solver import LayerSolver
from ltengine.plan import LayerPlan
from ltengine.posing import Problems
from ltengine.problem import (
    FRACTION_BITS,
    Objective,
    SolutionBatch,
    Solver,
)
from ltengine.progress import AskCancel
from ltengine.source import Source
from ltengine.statistics.measurement import chosen_items

SAMPLED_BASE_SETS = 24
TARGET_CLASSES = 24
SAMPLES = 48
SAMPLES_OF_PLAIN_WEIGHTS = 768
"""Where all base sets are alike (candidates are plain weights), one is enough, sampled more."""
PROBLEMS_PER_CHUNK = 1 << 13


@dataclass(frozen=True, slots=True)
class SolutionBank:
    """Solved problems by (base set, class of targets, sample).

    Attributes:
        base_sets: (sampled,) ascending; the sampled base sets. The bias's, where there is one, is
            the last.
        bias: whether it is there.
        limits: (class - 1,) the |target| between a class and the next.
        targets: (class, sample) |target| of the solved problems.
        sizes: (sampled, class, sample) int8, UNSOLVED (-1) where there is no solution.
        choices: (sampled, class, sample, element) uint8, candidates, 255 past a solution's size.
        values: (sampled, class, sample, element) float64, what each chosen candidate adds to the
            parameter, 0 past a solution's size.
        errors: (sampled, class, sample) float64, sum - target; the negative target where unsolved.
        spare_share: share of the sampled problems that needed spares.
    """

    base_sets: NDArray[np.int64]
    bias: bool
    limits: NDArray[np.float64]
    targets: NDArray[np.float64]
    sizes: NDArray[np.int8]
    choices: NDArray[np.uint8]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    spare_share: float

    @property
    def samples(self) -> int:
        """Problems for each base set and class."""
        return int(self.sizes.shape[2])

    def sampled_set(
        self, base_sets: NDArray[np.int64], bias: int, per_unit: int
    ) -> NDArray[np.int64]:
        """The place of the sampled base set that stands for each of ``base_sets``.

        Where units have two base sets (one for each sign), the first stands for first ones.
        """
        sampled_units = (self.base_sets.size - int(self.bias)) // per_unit
        units, side = base_sets // per_unit, base_sets % per_unit
        place = (units % sampled_units) * per_unit + side
        return np.where(base_sets == bias, self.base_sets.size - 1, place)

    def target_class(self, magnitudes: NDArray[np.float64]) -> NDArray[np.int64]:
        """The class of each |target|."""
        return np.searchsorted(self.limits, magnitudes, side="right")


def _pick_base_sets(base_sets: BaseSets) -> NDArray[np.int64]:
    """All sets of some units, spread evenly, and the bias's."""
    last = base_sets.bias if base_sets.bias >= 0 else base_sets.factors.shape[0]
    units = last // base_sets.per_unit
    alike = bool((base_sets.factors[:last] == 1.0).all())
    count = 1 if alike else min(SAMPLED_BASE_SETS, units)
    picked = np.arange(count) * units // count
    sets = (picked[:, None] * base_sets.per_unit + np.arange(base_sets.per_unit)).reshape(-1)
    return np.append(sets, base_sets.bias) if base_sets.bias >= 0 else sets


def _sample_targets(
    magnitudes: NDArray[np.float64], classes: int, samples: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(limits, (class, sample) targets): as many parameters in every class, some of each."""
    ordered = np.sort(magnitudes)
    edges = np.arange(classes + 1) * ordered.size // classes
    within = (np.arange(samples) + 0.5) / samples
    places = edges[:-1, None] + (within * np.diff(edges)[:, None]).astype(np.int64)
    return ordered[edges[1:-1]], ordered[places]


def fill_bank(
    source: Source,
    layer: LayerPlan,
    base_sets: BaseSets,
    unit_scale: float,
    magnitudes: NDArray[np.float64],
    solver: Solver,
    objective: Objective,
    cancel: AskCancel,
) -> SolutionBank:
    """Sample and solve.

    Args:
        source: whose cells they are; a sample's row may lie past the layer's width, which changes
            nothing, since rows are alike.
        layer: of copies.
        base_sets: that it draws from.
        unit_scale: of the layer below.
        magnitudes: (parameter,) the target layer's |parameters| beyond the tolerance, at least one.
        solver: exact.
        objective: the spec's.
        cancel: asked between chunks.

    Raises:
        Canceled: ``cancel`` said so.
    """
    sets = _pick_base_sets(base_sets)
    units = sets.size - int(base_sets.bias >= 0)
    samples = SAMPLES_OF_PLAIN_WEIGHTS if units == base_sets.per_unit else SAMPLES
    classes = min(TARGET_CLASSES, magnitudes.size)
    limits, targets = _sample_targets(magnitudes, classes, samples)
    shape = (sets.size, classes, samples)
    problems = Problems(
        rows=np.tile(np.arange(classes * samples), sets.size),
        base_sets=np.broadcast_to(sets[:, None, None], shape).reshape(-1),
        targets=np.broadcast_to(targets, shape).reshape(-1),
    )
    solutions, values, spare_used = _solve(
        source, layer, base_sets, unit_scale, problems, solver, objective, cancel
    )
    values = values.reshape(*shape, -1)
    return SolutionBank(
        sets,
        base_sets.bias >= 0,
        limits,
        targets,
        solutions.sizes.reshape(shape),
        solutions.choices.reshape(*shape, -1),
        values,
        values.sum(axis=3) - targets,
        spare_used / problems.rows.size,
    )


def _solve(
    source: Source,
    layer: LayerPlan,
    base_sets: BaseSets,
    unit_scale: float,
    problems: Problems,
    solver: Solver,
    objective: Objective,
    cancel: AskCancel,
) -> tuple[SolutionBatch, NDArray[np.float64], int]:
    """Solutions, the chosen candidates' values, and how many problems needed spares."""
    spare_used = 0
    layer_solver = LayerSolver(
        source, layer, base_sets, unit_scale, DrawnCellSolver(solver), objective
    )
    unit = layer.scale * unit_scale / 2.0**FRACTION_BITS
    batches, values = [], []
    for first in range(0, problems.rows.size, PROBLEMS_PER_CHUNK):
        if cancel():
            raise Canceled
        chunk = problems.take(np.arange(first, min(first + PROBLEMS_PER_CHUNK, problems.rows.size)))
        solved = layer_solver.solve(chunk)
        found = solved.solutions
        spare_used += int(np.count_nonzero(solved.with_spares))
        items = draw_items(
            source,
            layer.layer,
            chunk.rows,
            chunk.base_sets,
            base_sets.addresses,
            base_sets.factors,
            base_sets.available,
            FRACTION_BITS,
        )
        values.append(chosen_items(items, found) * unit)
        batches.append(found)
    solutions = SolutionBatch(
        np.concatenate([batch.sizes for batch in batches]),
        np.concatenate([batch.choices for batch in batches]),
    )
    return solutions, np.concatenate(values), spare_used
