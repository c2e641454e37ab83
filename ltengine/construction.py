"""The construction: plan, then from the last layer to the first pose, solve and keep.

Going backwards means that a copy of a target neuron is only built when some solution above it uses
that copy. Spare copies therefore cost nothing until a problem needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.blueprint import Blueprint, draw_blueprint
from ltengine.carrier import SignRule
from ltengine.cell_problem import CellSolver
from ltengine.constant_chain import ConstantLayer
from ltengine.copies_builder import CopiesBuilder, expected_problems
from ltengine.device import cell_solver, choose_device
from ltengine.errors import UnsolvedProblemsError
from ltengine.mask import LayerMask, MaskBuilder
from ltengine.network import Network
from ltengine.plan import LayerPlan, Plan, Requirement
from ltengine.problem_counts import ProblemCounts, RowCounts, total_counts
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.role import Role
from ltengine.specification import Specification

SHOWN_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Construction:
    """A finished construction: the plan, one mask for each source layer, and the counts."""

    plan: Plan
    masks: tuple[LayerMask, ...]
    counts: ProblemCounts


FillRows: TypeAlias = Callable[[LayerPlan, NDArray[np.int64], MaskBuilder], RowCounts]
"""Gives a mask the cells of the rows (ascending) of a layer of copies; counts of all its rows."""


class _Building:
    """Fills rows by building them, and tells how far it is."""

    def __init__(
        self,
        blueprint: Blueprint,
        solver: CellSolver,
        problems_per_chunk: int,
        progress: ReportProgress,
        cancel: AskCancel,
    ) -> None:
        self._blueprint = blueprint
        self._solver = solver
        self._problems_per_chunk = problems_per_chunk
        self._progress = progress
        self._cancel = cancel
        self._expected = sum(expected_problems(blueprint, layer) for layer in blueprint.copies)
        self._done = 0

    def fill(self, layer: LayerPlan, rows: NDArray[np.int64], mask: MaskBuilder) -> RowCounts:
        """Build the rows here and now."""
        counts = zero_counts(layer)
        builder = CopiesBuilder(self._blueprint, layer, self._solver)
        for built in builder.build(rows, self._problems_per_chunk, self._cancel):
            mask.append(*built.cells)
            built.count(counts)
            self._done += built.problems
            self._progress("construct", min(self._done, self._expected), self._expected)
        return counts


def zero_counts(layer: LayerPlan) -> RowCounts:
    """Of every row of a layer of copies, to be added to."""
    return RowCounts.zero(layer.first_constant, layer.requirement.base_set.largest_subset)


def _finish_mask(
    blueprint: Blueprint, layer: LayerPlan, needed: NDArray[np.int64], mask: MaskBuilder
) -> LayerMask:
    """Add what needs no problem: carriers, constants and biases."""
    rows = needed[needed < layer.first_constant]
    if layer.role is Role.UNIVARIATE:
        mask.append(rows, rows if layer.carriers_below else rows // layer.block_size)
    constant: ConstantLayer = blueprint.chain[layer.layer - 1]
    wanted = np.isin(constant.cell_rows, needed)
    mask.append(constant.cell_rows[wanted], constant.cell_columns[wanted])
    bias_rows = needed[needed >= layer.first_constant] if constant.from_biases else needed[:0]
    if layer.sign_rule is SignRule.ALWAYS_ON:
        bias_rows = np.concatenate((rows, bias_rows))
    return mask.build(bias_rows)


def walk_backwards(blueprint: Blueprint, fill: FillRows, solver: CellSolver) -> Construction:
    """From the last source layer to the first: fill the rows that the layer above reads.

    Raises:
        UnsolvedProblemsError: a problem has no solution in its base set with all spares.
    """
    plan = blueprint.plan
    masks: list[LayerMask] = []
    sums: list[NDArray[np.int64]] = []
    failed: list[tuple[LayerPlan, int]] = []
    needed = np.arange(plan.layers[-1].units)
    for layer in reversed(plan.layers):
        builder = MaskBuilder(layer.width, plan.widths[layer.layer - 1])
        if layer.role is Role.COPIES:
            counts = fill(layer, needed[needed < layer.first_constant], builder)
            sums.append(counts.table.sum(axis=0, dtype=np.int64))
            failed += [(layer, int(row)) for row in np.flatnonzero(counts.unsolved)]
        mask = _finish_mask(blueprint, layer, needed, builder)
        masks.append(mask)
        needed = mask.used_columns()
    counts_of_all = total_counts(sums)
    if failed:
        raise _unsolved(blueprint, counts_of_all, failed, solver)
    return Construction(plan, tuple(reversed(masks)), counts_of_all)


def _unsolved(
    blueprint: Blueprint,
    counts: ProblemCounts,
    failed: list[tuple[LayerPlan, int]],
    solver: CellSolver,
) -> UnsolvedProblemsError:
    """Names the first problems, whoever failed to solve them."""
    shown: list[str] = []
    for layer, row in failed[:SHOWN_FAILURES]:
        builder = CopiesBuilder(blueprint, layer, solver)
        shown += builder.describe_unsolved(row, SHOWN_FAILURES - len(shown))
    return UnsolvedProblemsError(
        f"{counts.unsolved} of {counts.total} subset-sum problems have no solution within "
        f"tolerance ({'; '.join(shown)}); raise "
        "base_set.size or base_set.largest_subset, raise the tolerance, or take another seed"
    )


def construct(
    network: Network,
    activation: Activation,
    specification: Specification,
    *,
    solver: CellSolver | None = None,
    problems_per_chunk: int | None = None,
    tightening: float = 1.0,
    requirements: Sequence[Requirement] | None = None,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> Construction:
    """Prune the source network of ``specification`` until what remains computes ``network``.

    Args:
        network: the target.
        activation: between its layers.
        specification: construction, tolerance, base set and source.
        solver: draws and solves; all give the same masks. None: that of the spec's device.
        problems_per_chunk: bounds the memory in use; does not change the result.
        tightening: multiplies an output tolerance, where a looser one could not be certified.
        requirements: of each target layer, where they are not to be those of the spec.
        progress: called after each chunk of problems.
        cancel: asked before each chunk.

    Raises:
        SpecificationError: depth, carriers or tolerance cannot be had for this target.
        DeviceUnavailableError: the spec insists on a device that is not here.
        UnsolvedProblemsError: a problem has no solution in its base set with all spares.
        Canceled: ``cancel`` said so.

    The constructions are those of Theorems 2.5, 2.7 and 2.9.
    """
    blueprint = draw_blueprint(
        network, activation, specification, tightening=tightening, requirements=requirements
    )
    solver = solver or cell_solver(choose_device(specification.device, network.parameters))
    building = _Building(
        blueprint, solver, problems_per_chunk or solver.problems_per_chunk, progress, cancel
    )
    return walk_backwards(blueprint, building.fill, solver)
