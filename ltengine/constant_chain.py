"""Constant neurons, from which biases are built: what each emits, and which cells make it so.

Only the first layer has biases (Assumption 2.1), so deeper constants are passed on from layer to
layer. A constant neuron need not emit 1: its true value enters the subset-sum problems of the
biases that use it, so it may be off its aim, and nothing shrinks or drifts with depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.base_set import NO_CONSTANTS, Constants
from ltengine.cell_kernel import draw_items
from ltengine.errors import UnsolvedProblemsError
from ltengine.plan import SPARE_WEIGHTS, LayerPlan, Plan, SignRule
from ltengine.problem import (
    FRACTION_BITS,
    ProblemBatch,
    Solver,
    fixed_point_targets,
    fixed_point_tolerance,
)
from ltengine.role import Role
from ltengine.source import Source

AIM = 0.75
AIM_TOLERANCE = 0.25
"""A constant neuron aims at a pre-activation between 0.5 and 1: one or two links do."""


@dataclass(frozen=True, slots=True)
class ConstantLayer:
    """The constant neurons of one source layer.

    Attributes:
        constants: those that can be used, and what they emit.
        cell_rows: (cell,) the constant neuron of each cell that makes it so.
        cell_columns: (cell,) its column in the layer below.
        from_biases: the neurons keep their bias cell instead.
    """

    constants: Constants
    cell_rows: NDArray[np.int64]
    cell_columns: NDArray[np.int64]
    from_biases: bool = False


_NO_CELLS = np.zeros(0, np.int64)
NO_CONSTANT_LAYER = ConstantLayer(NO_CONSTANTS, _NO_CELLS, _NO_CELLS)


def _usable(plan_layer: LayerPlan, drive: NDArray[np.float64]) -> NDArray[np.bool_]:
    """One-sided activations pass on positive drives only."""
    return drive > 0 if plan_layer.sign_rule is not SignRule.ANY else drive != 0


def _univariate(source: Source, layer: LayerPlan, below: Constants) -> ConstantLayer:
    rows = layer.first_constant + np.arange(layer.constants)
    if layer.layer == 1:
        drive = source.biases(1, rows)
        columns = _NO_CELLS
    elif below.rows.size == 0:
        return NO_CONSTANT_LAYER
    else:
        strongest = int(np.argmax(np.abs(below.values)))
        column = below.rows[strongest]
        drive = source.weights(layer.layer, rows, np.array([column])) * below.values[strongest]
        columns = np.full(rows.size, column)
    keep = _usable(layer, drive)
    emitted = np.asarray(layer.activation.value(drive[keep]), np.float64)
    constants = Constants(rows[keep], emitted)
    if layer.layer == 1:
        return ConstantLayer(constants, _NO_CELLS, _NO_CELLS, from_biases=True)
    return ConstantLayer(constants, rows[keep], columns[keep])


def _copies(
    source: Source, size: int, layer: LayerPlan, below: Constants, solver: Solver, largest: int
) -> ConstantLayer:
    rows = layer.first_constant + np.arange(layer.constants)
    if layer.activation.intercept != 0.0:
        # a neuron without inputs emits phi(0): a constant for no parameter at all
        resting = np.full(rows.size, layer.activation.intercept)
        return ConstantLayer(Constants(rows, resting), _NO_CELLS, _NO_CELLS)
    count = min(below.rows.size, size + SPARE_WEIGHTS)
    columns, factors = below.rows[None, :count], below.values[None, :count]
    items = draw_items(
        source.seed,
        layer.layer,
        rows,
        np.zeros(rows.size, np.int64),
        columns,
        factors,
        np.array([count]),
        FRACTION_BITS,
    )
    batch = ProblemBatch(
        items,
        np.full(rows.size, count),
        fixed_point_targets(np.full(rows.size, AIM / layer.scale)),
        fixed_point_tolerance(AIM_TOLERANCE / layer.scale, largest),
        largest,
    )
    solutions = solver.solve(batch)
    solved = np.flatnonzero(solutions.sizes > 0)
    sizes = solutions.sizes[solved].astype(np.int64)
    chosen = solutions.choices[solved]
    used = np.arange(chosen.shape[1]) < sizes[:, None]
    cell_rows = np.repeat(rows[solved], sizes)
    picks = chosen[used].astype(np.int64)
    cells = source.weights(layer.layer, cell_rows, columns[0, picks]) * factors[0, picks]
    sums = np.add.reduceat(cells, np.cumsum(sizes) - sizes) if solved.size else np.zeros(0)
    values = np.asarray(layer.activation.value(layer.scale * sums), np.float64)
    return ConstantLayer(Constants(rows[solved], values), cell_rows, columns[0, picks])


def build_constants(
    source: Source, plan: Plan, solver: Solver, largest_subset: int
) -> tuple[ConstantLayer, ...]:
    """The constant neurons of every source layer, from the first to the last.

    Raises:
        UnsolvedProblemsError: a layer that needs constants has none that works.
    """
    chain: list[ConstantLayer] = []
    below = NO_CONSTANTS
    for layer in plan.layers:
        if layer.constants == 0:
            built = NO_CONSTANT_LAYER
        elif layer.role is Role.UNIVARIATE:
            built = _univariate(source, layer, below)
        else:
            built = _copies(source, plan.base_set_size, layer, below, solver, largest_subset)
        if layer.constants and built.constants.rows.size == 0:
            raise UnsolvedProblemsError(
                f"none of the {layer.constants} constant neurons of source layer {layer.layer} "
                "can be built; raise base_set.size or take another seed"
            )
        chain.append(built)
        below = built.constants
    return tuple(chain)
