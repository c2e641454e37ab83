"""The construction: plan, then from the last layer to the first pose, solve and keep.

Going backwards means that a copy of a target neuron is only built when some solution above it uses
that copy. Spare copies therefore cost nothing until a problem needs them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.base_set import BaseSets, build_base_sets
from ltengine.carrier import SignRule
from ltengine.cell_problem import CellSolver
from ltengine.constant_chain import ConstantLayer, build_constants
from ltengine.construction_kernel import chosen_cells
from ltengine.device import cell_solver, choose_device
from ltengine.errors import Canceled, SpecificationError, UnsolvedProblemsError
from ltengine.intercept import balance, sum_intercepts
from ltengine.layer_solver import LayerSolver, ProblemCounts
from ltengine.layout import plan_network
from ltengine.mask import LARGEST_WIDTH, LayerMask, MaskBuilder
from ltengine.network import DenseLayer, Network
from ltengine.plan import LayerPlan, Plan, Requirement
from ltengine.posing import Problems, pose, pose_biases, row_chunks
from ltengine.problem import Objective, SolutionBatch
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.requirements import layer_requirements
from ltengine.role import Role
from ltengine.solvers.cascade import CascadeSolver
from ltengine.source import Distribution, Source
from ltengine.specification import Specification


@dataclass(frozen=True, slots=True)
class Construction:
    """A finished construction: the plan, one mask for each source layer, and the counts."""

    plan: Plan
    masks: tuple[LayerMask, ...]
    counts: ProblemCounts


Cells: TypeAlias = tuple[NDArray[np.integer], NDArray[np.integer]]
"""(rows, columns)."""


def _kept_cells(problems: Problems, solutions: SolutionBatch, base_sets: BaseSets) -> Cells:
    """Every cell that a solution keeps."""
    rows, columns = chosen_cells(
        problems.rows, problems.base_sets, solutions.sizes, solutions.choices, base_sets.columns
    )
    return rows, columns


class _Backwards:
    """The walk from the last source layer to the first."""

    def __init__(
        self,
        network: Network,
        plan: Plan,
        specification: Specification,
        solver: CellSolver,
        problems_per_chunk: int,
        progress: ReportProgress,
        cancel: AskCancel,
    ) -> None:
        self._network = network
        self._plan = plan
        self._solver = solver
        self._problems_per_chunk = problems_per_chunk
        self._progress = progress
        self._cancel = cancel
        self._source = Source(
            specification.source.seed, Distribution(specification.source.distribution)
        )
        self._objective = Objective(specification.objective)
        self._chain = build_constants(self._source, plan, CascadeSolver())
        self.counts = ProblemCounts()
        self._expected = sum(
            network.layers[layer.target_layer - 1].nonzero * layer.block_size
            for layer in plan.layers
            if layer.role is Role.COPIES
        )
        self._done = 0

    def _add_copies(self, mask: MaskBuilder, layer: LayerPlan, rows: NDArray[np.int64]) -> None:
        target = self._network.layers[layer.target_layer - 1]
        below = self._plan.layers[layer.layer - 2]
        constants = self._chain[layer.layer - 2].constants
        base_sets = build_base_sets(self._source, layer, below, constants)
        layer_solver = LayerSolver(
            self._source, layer, base_sets, below.unit_scale, self._solver, self._objective
        )
        for chunk in row_chunks(rows, layer, target, base_sets, self._problems_per_chunk):
            if self._cancel():
                raise Canceled
            problems = pose(chunk, layer, target, base_sets)
            solutions = layer_solver.solve(problems, self.counts)
            cells = _kept_cells(problems, solutions, base_sets)
            if base_sets.intercepts is not None:
                cells = self._with_biases(chunk, layer, target, base_sets, layer_solver, cells)
            mask.append(*cells)
            self._done += problems.rows.size // base_sets.per_unit
            self._progress("construct", min(self._done, self._expected), self._expected)

    def _with_biases(
        self,
        rows: NDArray[np.int64],
        layer: LayerPlan,
        target: DenseLayer,
        base_sets: BaseSets,
        layer_solver: LayerSolver,
        of_weights: Cells,
    ) -> Cells:
        """Above always-on carriers: also the cells that make each row's bias what it should be."""
        assert base_sets.intercepts is not None
        sums = sum_intercepts(self._source, layer.layer, rows, *of_weights, base_sets.intercepts)
        wanted = target.biases[rows // layer.block_size] / layer_solver.unit - sums
        balanced = balance(self._source, layer.layer, rows, wanted, base_sets.intercepts)
        problems = pose_biases(rows, balanced.remainders * layer_solver.unit, base_sets)
        solutions = layer_solver.solve(problems, self.counts)
        parts = (
            of_weights,
            (balanced.cell_rows, balanced.cell_columns),
            _kept_cells(problems, solutions, base_sets),
        )
        kept_rows, kept_columns = zip(*parts, strict=True)
        return np.concatenate(kept_rows), np.concatenate(kept_columns)

    def mask(self, layer: LayerPlan, needed: NDArray[np.int64]) -> LayerMask:
        """The cells that make the needed neurons (ascending rows) what the plan says."""
        mask = MaskBuilder(layer.width, self._plan.widths[layer.layer - 1])
        rows = needed[needed < layer.first_constant]
        if layer.role is Role.COPIES:
            self._add_copies(mask, layer, rows)
        else:
            mask.append(rows, rows if layer.carriers_below else rows // layer.block_size)
        constant: ConstantLayer = self._chain[layer.layer - 1]
        wanted = np.isin(constant.cell_rows, needed)
        mask.append(constant.cell_rows[wanted], constant.cell_columns[wanted])
        bias_rows = needed[needed >= layer.first_constant] if constant.from_biases else needed[:0]
        if layer.sign_rule is SignRule.ALWAYS_ON:
            bias_rows = np.concatenate((rows, bias_rows))
        return mask.build(bias_rows)


def _check_widths(plan: Plan) -> None:
    """Raise SpecificationError where a layer has more neurons than can be counted."""
    if max(plan.widths) >= LARGEST_WIDTH:
        raise SpecificationError(
            [
                {
                    "pointer": "/source/depth",
                    "code": "WIDTH",
                    "detail": f"the source would be {max(plan.widths):,} neurons wide, which is "
                    f"{LARGEST_WIDTH:,} or more; take a lower depth or a smaller base_set.size",
                }
            ]
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
    if requirements is None:
        requirements = layer_requirements(network, activation, specification, tightening=tightening)
    plan = plan_network(network, activation, specification, requirements)
    _check_widths(plan)
    solver = solver or cell_solver(choose_device(specification.device, network.parameters))
    walk = _Backwards(
        network,
        plan,
        specification,
        solver,
        problems_per_chunk or solver.problems_per_chunk,
        progress,
        cancel,
    )
    masks: list[LayerMask] = []
    needed = np.arange(plan.layers[-1].units)
    for layer in reversed(plan.layers):
        mask = walk.mask(layer, needed)
        masks.append(mask)
        needed = mask.used_columns()
    counts = walk.counts
    if counts.unsolved:
        raise UnsolvedProblemsError(
            f"{counts.unsolved} of {counts.total} subset-sum problems have no solution within "
            f"tolerance ({'; '.join(counts.failures)}); raise "
            "base_set.size or base_set.largest_subset, raise the tolerance, or take another seed"
        )
    return Construction(plan, tuple(reversed(masks)), counts)
