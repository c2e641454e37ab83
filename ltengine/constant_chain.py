"""Constant neurons, from which biases are built: what each emits, and which cells make it so.

Where only the first layer has biases (Assumption 2.1), deeper constants are passed on from layer to
layer. A constant neuron need not emit 1: its true value enters the subset-sum problems of the
biases that use it, so it may be off its aim, and nothing shrinks or drifts with depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.carrier import SignRule
from ltengine.cell_kernel import draw_items
from ltengine.errors import UnsolvedProblemsError
from ltengine.intercept import NO_CONSTANTS, Constants
from ltengine.plan import LayerPlan, Plan
from ltengine.problem import (
    FRACTION_BITS,
    ProblemBatch,
    Solver,
    fixed_point_targets,
    fixed_point_tolerance,
)
from ltengine.role import Role
from ltengine.source import Pairing, Source

AIM_SHARE = 1 / 3
"""A constant neuron may miss its aim by a third: one or two links do."""
_NO_CELLS = np.zeros(0, np.int64)


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


NO_CONSTANT_LAYER = ConstantLayer(NO_CONSTANTS, _NO_CELLS, _NO_CELLS)


def _emitted(layer: LayerPlan, drive: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(layer.activation.value(layer.scale * drive), np.float64)


def _usable(layer: LayerPlan, drive: NDArray[np.float64]) -> NDArray[np.bool_]:
    """One-sided activations pass on positive drives only."""
    one_sided = layer.activation.two_sided and layer.sign_rule is not SignRule.PAIRED
    return drive > 0 if one_sided else drive != 0


def _driven(
    layer: LayerPlan,
    rows: NDArray[np.int64],
    drive: NDArray[np.float64],
    columns: NDArray[np.int64] | None,
) -> ConstantLayer:
    """Constants that emit phi(scale * drive), from one cell each, or from their bias."""
    if layer.sign_rule is SignRule.PAIRED:
        values = _emitted(layer, drive[0::2]) - _emitted(layer, drive[1::2])
        constants = Constants(rows[0::2], values, paired=True)
        keep = np.ones(rows.size, dtype=np.bool_)
    else:
        keep = _usable(layer, drive)
        constants = Constants(rows[keep], _emitted(layer, drive[keep]))
    if columns is None:
        return ConstantLayer(constants, _NO_CELLS, _NO_CELLS, from_biases=True)
    return ConstantLayer(constants, rows[keep], columns[keep])


def _univariate(source: Source, layer: LayerPlan, below: Constants) -> ConstantLayer:
    """One cell from the strongest constant below."""
    if below.rows.size == 0:
        return NO_CONSTANT_LAYER
    rows = layer.first_constant + np.arange(layer.constants)
    strongest = int(np.argmax(np.abs(below.values)))
    column = np.array([below.rows[strongest]])
    drive = source.weights(layer.layer, rows, column, layer.pairing) * below.values[strongest]
    return _driven(layer, rows, drive, np.full(rows.size, column[0]))


def _resting(layer: LayerPlan) -> ConstantLayer:
    """A neuron without inputs emits phi(0): a constant for no parameter at all."""
    rows = layer.first_constant + np.arange(layer.constants)
    values = np.full(rows.size, layer.activation.intercept)
    return ConstantLayer(Constants(rows, values), _NO_CELLS, _NO_CELLS)


def _solved(
    source: Source, layer: LayerPlan, below_plan: LayerPlan, below: Constants, solver: Solver
) -> ConstantLayer:
    """Subset sums of the constants below, near the activation's constant drive."""
    rows = layer.first_constant + np.arange(layer.constants)
    base_set = layer.requirement.base_set
    count = min(below.rows.size, base_set.size)
    candidates, unit_scale = below.rows[:count], below_plan.unit_scale
    addresses = candidates >> 1 if below.paired else candidates
    factors = below.values[:count] / unit_scale
    items = draw_items(
        source,
        layer.layer,
        rows,
        np.zeros(rows.size, np.int64),
        addresses[None, :],
        factors[None, :],
        np.array([count]),
        FRACTION_BITS,
    )
    aim = layer.activation.constant_drive / (layer.scale * unit_scale)
    batch = ProblemBatch(
        items,
        np.full(rows.size, count),
        fixed_point_targets(np.full(rows.size, aim)),
        fixed_point_tolerance(AIM_SHARE * aim, base_set.largest_subset),
        base_set.largest_subset,
    )
    solutions = solver.solve(batch)
    solved = np.flatnonzero(solutions.sizes > 0)
    sizes = solutions.sizes[solved].astype(np.int64)
    used = np.arange(solutions.choices.shape[1]) < sizes[:, None]
    picks = solutions.choices[solved][used].astype(np.int64)
    cell_rows = np.repeat(rows[solved], sizes)
    drawn = source.weights(layer.layer, cell_rows, addresses[picks])
    sums = np.zeros(solved.size)
    if solved.size:
        sums = np.add.reduceat(drawn * below.values[picks], np.cumsum(sizes) - sizes)
    columns = candidates[picks]
    if below.paired:
        cell_rows = np.repeat(cell_rows, 2)
        columns = np.stack((columns, columns + 1), 1).reshape(-1)
    return ConstantLayer(Constants(rows[solved], _emitted(layer, sums)), cell_rows, columns)


def _build(
    source: Source, plan: Plan, layer: LayerPlan, below: Constants, solver: Solver
) -> ConstantLayer:
    if layer.constants == 0:
        return NO_CONSTANT_LAYER
    if layer.role is Role.COPIES and layer.activation.intercept != 0.0:
        return _resting(layer)
    if layer.layer == 1 or plan.biases_everywhere:
        rows = layer.first_constant + np.arange(layer.constants)
        pairing = Pairing.ROWS if layer.pairing is Pairing.ROWS else Pairing.NONE
        return _driven(layer, rows, source.biases(layer.layer, rows, pairing), None)
    if layer.role is Role.UNIVARIATE:
        return _univariate(source, layer, below)
    return _solved(source, layer, plan.layers[layer.layer - 2], below, solver)


def build_constants(source: Source, plan: Plan, solver: Solver) -> tuple[ConstantLayer, ...]:
    """The constant neurons of every source layer, from the first to the last.

    Raises:
        UnsolvedProblemsError: a layer that needs constants has none that works.
    """
    chain: list[ConstantLayer] = []
    below = NO_CONSTANTS
    for layer in plan.layers:
        built = _build(source, plan, layer, below, solver)
        if layer.constants and built.constants.rows.size == 0:
            raise UnsolvedProblemsError(
                f"none of the {layer.constants} constant neurons of source layer {layer.layer} "
                "can be built; raise base_set.size or take another seed"
            )
        chain.append(built)
        below = built.constants
    return tuple(chain)
