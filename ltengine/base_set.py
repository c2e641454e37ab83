"""Base sets: the source cells that may serve one unit, and what each adds to a parameter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.carrier import SignRule, always_on
from ltengine.intercept import Constants, Intercepts
from ltengine.plan import LayerPlan
from ltengine.role import Role
from ltengine.source import Source


@dataclass(frozen=True, slots=True)
class BaseSets:
    """All base sets that one source layer draws from.

    Attributes:
        addresses: (base set, candidate) int64; the column by which a candidate's cell is drawn.
        columns: (base set, candidate, link) int64; the cells that a chosen candidate keeps, one or
            (looks-linear) two.
        factors: (base set, candidate) float64; a candidate adds cell * factor, in problem units.
        available: (base set,) int64, real candidates, spares included.
        per_unit: base sets of each unit: unit j has j * per_unit ... (j + 1) * per_unit - 1.
        bias: the place of the bias's base set, or -1.
        paired: the layer's columns come in pairs.
        intercepts: what the bias of a row has to make up for, above always-on carriers; else None.
    """

    addresses: NDArray[np.int64]
    columns: NDArray[np.int64]
    factors: NDArray[np.float64]
    available: NDArray[np.int64]
    per_unit: int
    bias: int
    paired: bool
    intercepts: Intercepts | None = None


def univariate_weights(source: Source, below: LayerPlan) -> NDArray[np.float64]:
    """(unit, copy) the one weight that each first carrier keeps: the unit's own column."""
    units = np.arange(below.units)
    rows = units[:, None] * below.block_size + np.arange(below.block_size)
    layer = below.layer - below.carriers_below
    return source.weights(layer, rows, units[:, None], below.pairing)


def chained_weights(source: Source, below: LayerPlan) -> list[NDArray[np.float64]]:
    """For each further carrier layer, (unit, copy) the scaled weight from a neuron's own row."""
    rows = np.arange(below.first_constant).reshape(below.units, below.block_size)
    first = below.layer - below.carriers_below + 1
    layers = range(first, below.layer + 1)
    return [below.scale * source.weights(layer, rows, rows) for layer in layers]


def _select(usable: NDArray[np.bool_], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first ``most`` usable places of each row, ascending, and how many there are."""
    order = np.argsort(~usable, axis=1, kind="stable")[:, :most]
    return order, np.minimum(usable.sum(axis=1), most)


def _carriers(
    source: Source, below: LayerPlan, most: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], int]:
    """(rows, factors, available, per unit) of the unit base sets above a univariate layer."""
    weights = univariate_weights(source, below)
    chain = chained_weights(source, below)
    # a one-sided carrier passes on what the layer above it reads with a positive weight
    passed = np.ones(weights.shape, dtype=np.bool_)
    if below.activation.two_sided:
        for further in chain:
            passed &= further > 0
    composed = weights * np.prod(chain, axis=0) if chain else weights
    first = (np.arange(below.units) * below.block_size)[:, None]
    if below.sign_rule is SignRule.BOTH:
        order_up, count_up = _select((weights > 0) & passed, most)
        order_down, count_down = _select((weights < 0) & passed, most)
        order = np.stack((order_up, order_down), 1).reshape(-1, most)
        available = np.stack((count_up, count_down), 1).reshape(-1)
        factors = np.take_along_axis(np.repeat(composed, 2, 0), order, 1)
        return np.repeat(first, 2, 0) + order, factors, available, 2
    if below.sign_rule is SignRule.PAIRED:
        order = np.broadcast_to(2 * np.arange(most), (below.units, most))
        available = np.full(below.units, most)
    else:
        order, available = _select(_usable(source, below, weights) & passed, most)
    return first + order, np.take_along_axis(composed, order, 1), available, 1


def _biases(source: Source, below: LayerPlan) -> NDArray[np.float64]:
    """(unit, copy) the bias cell of each always-on carrier."""
    rows = np.arange(below.first_constant).reshape(below.units, below.block_size)
    return source.biases(below.layer, rows)


def _usable(source: Source, below: LayerPlan, weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(unit, copy) which single carriers serve their unit's base set."""
    if below.sign_rule is SignRule.POSITIVE:
        return np.asarray(weights > 0)
    if below.sign_rule is SignRule.ALWAYS_ON and below.domain is not None:
        return always_on(weights, _biases(source, below), *below.domain)
    return np.asarray(weights != 0)


def _intercepts(
    source: Source, below: LayerPlan, constants: Constants, most: int
) -> Intercepts | None:
    if below.sign_rule is not SignRule.ALWAYS_ON:
        return None
    emitted = np.zeros(below.width)
    emitted[: below.first_constant] = _biases(source, below).reshape(-1)
    rest = slice(most, None)  # the first ones are the bias's own base set
    return Intercepts(
        emitted,
        Constants(constants.rows[rest], constants.values[rest] / below.unit_scale),
    )


def _append_bias(
    rows: NDArray[np.int64],
    factors: NDArray[np.float64],
    available: NDArray[np.int64],
    constants: Constants,
    unit_scale: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    most = rows.shape[1]
    count = min(most, constants.rows.size)
    bias_rows, bias_factors = np.zeros((1, most), np.int64), np.zeros((1, most))
    bias_rows[0, :count] = constants.rows[:count]
    bias_factors[0, :count] = constants.values[:count] / unit_scale
    return (
        np.concatenate((rows, bias_rows)),
        np.concatenate((factors, bias_factors)),
        np.append(available, count),
    )


def build_base_sets(
    source: Source, layer: LayerPlan, below: LayerPlan, constants: Constants
) -> BaseSets:
    """The base sets of a layer of copies.

    Above a univariate layer a candidate adds w2 * w1 (Theorem 2.5, in units of the layer's scale
    and slope), above copies the plain weight (Theorem 2.7).
    """
    most = layer.requirement.base_set.candidates
    if below.role is Role.UNIVARIATE:
        rows, factors, available, per_unit = _carriers(source, below, most)
    else:
        rows = (np.arange(below.units) * below.block_size)[:, None] + np.arange(most)
        factors, available, per_unit = np.ones(rows.shape), np.full(below.units, most), 1
    bias = -1
    if constants.rows.size:
        bias = rows.shape[0]
        rows, factors, available = _append_bias(
            rows, factors, available, constants, below.unit_scale
        )
    paired = below.sign_rule is SignRule.PAIRED
    columns = np.stack((rows, rows + 1), axis=2) if paired else rows[:, :, None]
    addresses = rows >> 1 if paired else rows
    intercepts = _intercepts(source, below, constants, most)
    return BaseSets(addresses, columns, factors, available, per_unit, bias, paired, intercepts)
