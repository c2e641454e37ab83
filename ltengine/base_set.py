"""Base sets: the source columns that may serve one unit, and what their neurons emit for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.plan import SPARE_PRODUCTS, SPARE_WEIGHTS, LayerPlan, SignRule
from ltengine.source import Source


@dataclass(frozen=True, slots=True)
class Constants:
    """Neurons of one layer that emit a known constant.

    Attributes:
        rows: (neuron,) int64 ascending.
        values: (neuron,) float64, what they emit, in (0, 1] or the activation's own sign.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]


NO_CONSTANTS = Constants(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class BaseSets:
    """All base sets that one source layer draws from.

    Attributes:
        columns: (base set, candidate) int64, ascending within the real ones.
        factors: (base set, candidate) float64; candidate c adds weight * factor to the parameter.
        available: (base set,) int64, real candidates, spares included.
        per_unit: base sets of each unit: unit j has j * per_unit ... (j + 1) * per_unit - 1.
        bias: the place of the bias's base set, or -1.
    """

    columns: NDArray[np.int64]
    factors: NDArray[np.float64]
    available: NDArray[np.int64]
    per_unit: int
    bias: int


def _select(usable: NDArray[np.bool_], most: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first ``most`` usable places of each row, ascending, and how many there are."""
    order = np.argsort(~usable, axis=1, kind="stable")[:, :most]
    return order, np.minimum(usable.sum(axis=1), most)


def _with_bias(
    columns: NDArray[np.int64],
    factors: NDArray[np.float64],
    available: NDArray[np.int64],
    per_unit: int,
    constants: Constants,
) -> BaseSets:
    if constants.rows.size == 0:
        return BaseSets(columns, factors, available, per_unit, -1)
    most = columns.shape[1]
    count = min(most, constants.rows.size)
    bias_columns, bias_factors = np.zeros((1, most), np.int64), np.zeros((1, most))
    bias_columns[0, :count] = constants.rows[:count]
    bias_factors[0, :count] = constants.values[:count]
    return BaseSets(
        np.concatenate((columns, bias_columns)),
        np.concatenate((factors, bias_factors)),
        np.append(available, count),
        per_unit,
        columns.shape[0],
    )


def univariate_weights(source: Source, below: LayerPlan) -> NDArray[np.float64]:
    """(unit, copy) the one weight that each univariate neuron keeps: the unit's own column."""
    units = np.arange(below.units)
    rows = units[:, None] * below.block_size + np.arange(below.block_size)
    return source.weights(below.layer, rows, units[:, None])


def univariate_base_sets(
    source: Source, size: int, below: LayerPlan, constants: Constants
) -> BaseSets:
    """Products w2 * (slope of the neuron * w1), by the layer's sign rule (Theorem 2.5)."""
    weights = univariate_weights(source, below)
    first = (np.arange(below.units) * below.block_size)[:, None]
    m_plus, m_minus = below.activation.m_plus, below.activation.m_minus
    most = size + SPARE_PRODUCTS
    if below.sign_rule is SignRule.BOTH:
        order_up, count_up = _select(weights > 0, most)
        order_down, count_down = _select(weights < 0, most)
        order = np.stack((order_up, order_down), 1).reshape(-1, most)
        available = np.stack((count_up, count_down), 1).reshape(-1)
        factors = np.take_along_axis(np.repeat(weights, 2, 0), order, 1) * (m_plus + m_minus)
        return _with_bias(np.repeat(first, 2, 0) + order, factors, available, 2, constants)
    usable = weights > 0 if below.sign_rule is SignRule.POSITIVE else weights != 0
    order, available = _select(usable, most)
    factors = np.take_along_axis(weights, order, 1) * m_plus
    return _with_bias(first + order, factors, available, 1, constants)


def copies_base_sets(size: int, below: LayerPlan, constants: Constants) -> BaseSets:
    """Plain weights: a candidate is a copy of the unit (Theorem 2.7)."""
    most = size + SPARE_WEIGHTS
    columns = (np.arange(below.units) * below.block_size)[:, None] + np.arange(most)
    available = np.full(below.units, most)
    return _with_bias(columns, np.ones(columns.shape), available, 1, constants)
