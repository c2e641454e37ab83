"""What sets a ticket's neurons apart from the target's, before any bound is propagated.

For a copy r of target neuron j, with pre-activations zhat and z, the cells of the ticket give

    zhat_r - z_j = sum_c carry_rc d_c + sum_i (own_ri x_i + turn_ri min(x_i, 0)) + bias_r +- rad_r,

where d_c is the error of what copy c in the layer below emits, x the target's own units, own and
bias the errors of the effective parameters for x >= 0, and turn how much they differ for x < 0.
rad_r holds what has no sign of its own: rounding in single precision, as ``evaluation`` computes,
and activations of univariate neurons that are only nearly linear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.effective import LiveCells, Meaning, effective_parameters, live_cells
from ltengine.network import DenseLayer
from ltengine.sparse_network import LayerCells
from ltengine.sparse_rows import SparseRows, from_dense, from_entries
from ltengine.ticket import TicketLayer

Array = NDArray[np.float64]

UNIT_ROUNDOFF = 2.0**-24
"""Half a unit in the last place of single precision, relative."""
SMALLEST = 2.0**-120
"""Added to each rounding: more than underflow can lose."""
ACTIVATION_ROUNDINGS = 32
"""A bound of an activation's error in single precision, in units of roundoff: at most three
elementary functions of at most 4 ulp each and a few operations."""
EXACT_ACTIVATIONS = frozenset({"identity", "relu", "relu6", "abs", "hardtanh"})
ADDS_FIRST = frozenset({"hardsigmoid", "hardswish", "shifted_relu"})
"""Activations that add before they multiply: their rounding need not shrink with their value."""
NO_COPY = -1
MOST_HELD = 1 << 23
"""Terms of a layer that are held, at some 12 bytes each; more are made anew when needed."""


def rounding_growth(operations: Array) -> Array:
    """gamma_n = n u / (1 - n u): what n roundings can add up to, relative."""
    total = operations * UNIT_ROUNDOFF
    return np.where(total < 0.5, total / (1 - np.minimum(total, 0.5)), np.inf)


def activation_rounding(activation: Activation, supremum: Array, drive: Array) -> Array:
    """How far phi in single precision is from phi, where |phi| <= supremum on |x| <= drive."""
    if activation.name in EXACT_ACTIVATIONS:
        return np.zeros(supremum.shape)
    added = drive if activation.name in ADDS_FIRST else 0.0
    return ACTIVATION_ROUNDINGS * UNIT_ROUNDOFF * (supremum + added) + SMALLEST


@dataclass(frozen=True, slots=True)
class Emission:
    """What each neuron of a source layer emits, as the layer above sees it.

    Attributes:
        copy: (neuron,) the copy that it passes on (by its place among the live ones), or NO_COPY.
        plus: (neuron,) slope where that copy is >= 0.
        minus: (neuron,) slope where it is < 0.
        supremum: (neuron,) bound of |emitted|.
        noise: (neuron,) bound of the error that is neither the copy's nor a parameter's.
        deviation: (neuron,) bound of how far its activation is from linear, not in ``noise``.
        paired_deviation: (neuron,) the same for phi(x) - phi(-x), for looks-linear pairs.
        drive: (neuron,) its weight, where there is a deviation.
        reads: (neuron,) the one neuron it reads, where there is a deviation.
        copies: how many live copies there are.
    """

    copy: NDArray[np.int64]
    plus: Array
    minus: Array
    supremum: Array
    noise: Array
    deviation: Array
    paired_deviation: Array
    drive: Array
    reads: NDArray[np.int64]
    copies: int


@dataclass(frozen=True, slots=True)
class ParameterErrors:
    """Errors of a layer's effective parameters, over all live copies and both signs of a unit.

    Attributes:
        largest: of them all.
        total: sum over the parameters that are not 0 in the target.
        count: how many those are.
    """

    largest: float
    total: float
    count: int


@dataclass(frozen=True, slots=True)
class DifferencePart:
    """The linear terms above for some live copies, ``first`` and those after it.

    ``carry`` is None in the first layer; ``carry_turn`` is how much ``carry`` differs for copies
    below 0, None where it does not.
    """

    first: int
    carry: SparseRows | None
    carry_turn: SparseRows | None
    own: SparseRows
    turn: SparseRows

    @property
    def rows(self) -> slice:
        """Its copies among the live ones."""
        return slice(self.first, self.first + self.own.height)


@dataclass(frozen=True, slots=True)
class Difference:
    """The terms above for the live copies of one layer.

    Attributes:
        neurons: (copy,) the target neuron it is a copy of.
        bias: (copy,)
        radius: (copy,)
        parameters: their errors.
        entries: how many terms ``own`` and ``carry`` have in all parts.
        carries: whether errors of copies below are passed on.
        turns: whether any term differs for what is below 0.
        parts: makes the linear terms, some rows after the other; anew each time where they are too
            many to be held.
    """

    neurons: NDArray[np.int64]
    bias: Array
    radius: Array
    parameters: ParameterErrors
    entries: int
    carries: bool
    turns: bool
    parts: Callable[[], Iterable[DifferencePart]]


def _plain(copy: NDArray[np.int64], supremum: Array, noise: Array) -> Emission:
    ones, nothing = np.ones(copy.size), np.zeros(copy.size)
    copies = int(copy.max(initial=NO_COPY)) + 1
    return Emission(copy, ones, ones, supremum, noise, nothing, nothing, nothing, copy, copies)


def input_emission(supremum: Array) -> Emission:
    """The inputs are exact."""
    return _plain(np.full(supremum.size, NO_COPY), supremum, np.zeros(supremum.size))


def _constant_noise(
    layer: TicketLayer, cells: LayerCells, below: Emission, value: Array
) -> tuple[Array, Array]:
    """(supremum, noise) of the layer's constant neurons, which emit ``value`` but for rounding."""
    part = cells.between(layer.first_constant, layer.width)
    weights = np.abs(part.values)
    taken = np.bincount(
        part.rows, weights * below.supremum[part.columns], minlength=layer.constants
    )
    passed = np.bincount(part.rows, weights * below.noise[part.columns], minlength=layer.constants)
    taken = taken + np.abs(part.biases)
    rounded = rounding_growth(np.diff(part.offsets) + 2.0) * taken
    noise = layer.activation.lipschitz * (passed + rounded)
    noise += activation_rounding(layer.activation, np.abs(value) + noise, taken + noise)
    return np.abs(value) + noise, noise


def copies_emission(
    layer: TicketLayer,
    cells: LayerCells,
    meaning: Meaning,
    below: Emission,
    live: NDArray[np.int64],
    supremum: Array,
) -> Emission:
    """Live copies, whose error is bounded elsewhere and |emitted| by ``supremum``; constants."""
    copy, largest = np.full(layer.width, NO_COPY), np.zeros(layer.width)
    noise = np.zeros(layer.width)
    copy[live], largest[live] = np.arange(live.size), supremum
    first = layer.first_constant
    if layer.constants:
        largest[first:], noise[first:] = _constant_noise(layer, cells, below, meaning.value[first:])
    return _plain(copy, largest, noise)


def univariate_emission(
    layer: TicketLayer, cells: LayerCells, meaning: Meaning, below: Emission
) -> Emission:
    """Univariate neurons phi(w x) of the one neuron that each reads; constants."""
    first, activation = layer.first_constant, layer.activation
    part = cells.between(0, first)
    rows, columns = part.rows, part.columns
    weights = np.zeros(layer.width)
    weights[rows] = part.values
    copy, reads = np.full(layer.width, NO_COPY), np.full(layer.width, NO_COPY)
    reach, passed = np.zeros(layer.width), np.zeros(layer.width)
    copy[rows] = below.copy[columns]
    reach[rows] = np.abs(weights[rows]) * below.supremum[columns]
    passed[rows] = np.abs(weights[rows]) * (below.noise + below.deviation)[columns]
    reads[rows] = columns
    biases = np.abs(cells.biases)
    deviation = np.asarray(activation.deviation(reach), np.float64)
    steepest = max(abs(activation.m_plus), abs(activation.m_minus))
    supremum = steepest * reach + np.abs(meaning.value) + deviation
    noise = activation.lipschitz * (
        rounding_growth(np.full(layer.width, 3.0)) * (reach + biases) + passed
    )
    noise += activation_rounding(activation, supremum + noise, reach + biases + noise)
    if layer.constants:
        supremum[first:], noise[first:] = _constant_noise(
            layer, cells, below, meaning.value[first:]
        )
    return Emission(
        copy,
        meaning.gain_plus,
        meaning.gain_minus,
        supremum + noise,
        noise,
        deviation,
        np.asarray(activation.paired_deviation(reach), np.float64),
        weights,
        reads,
        below.copies,
    )


def _deviations(cells: LiveCells, below: Emission) -> Array:
    """(cell,) what each cell adds to its row's radius for activations that are nearly linear.

    Two cells of a row with opposite weights that read neurons with opposite weights from one
    neuron are a looks-linear pair: its even part cancels.
    """
    size = np.abs(cells.values) * below.deviation[cells.columns]
    drive = below.drive[cells.columns]
    read = below.reads[cells.columns]
    order = np.lexsort((np.abs(cells.values), np.abs(drive), read, cells.rows))
    first, second = order[:-1], order[1:]
    pair = (cells.rows[first] == cells.rows[second]) & (read[first] == read[second])
    pair &= (drive[first] == -drive[second]) & (drive[first] != 0)
    pair &= cells.values[first] == -cells.values[second]
    pair[1:] &= ~pair[:-1]  # in a run of equals, only some are matched: sound, as others stay
    paired = np.abs(cells.values) * below.paired_deviation[cells.columns]
    size[first[pair]] = paired[first[pair]]
    size[second[pair]] = 0.0
    return np.asarray(size, np.float64)


def _carries(cells: LiveCells, below: Emission) -> tuple[SparseRows | None, SparseRows | None]:
    """What rows pass on of the errors of copies: for copies >= 0, and the change where < 0."""
    copy = below.copy[cells.columns]
    carried = copy != NO_COPY
    if not carried.any():
        return None, None
    rows, columns, values = cells.rows[carried], cells.columns[carried], cells.values[carried]
    shape = (cells.neurons.size, below.copies)
    plus, minus = values * below.plus[columns], values * below.minus[columns]
    carry = from_entries(rows, copy[carried], plus, shape)
    if np.array_equal(plus, minus):
        return carry, None
    return carry, from_entries(rows, copy[carried], minus - plus, shape)


def _parameter_errors(
    target: DenseLayer, neurons: NDArray[np.int64], plus: Array, minus: Array, bias: Array
) -> ParameterErrors:
    weights = np.maximum(np.abs(plus), np.abs(minus))
    total = float(weights[target.weight[neurons] != 0].sum())
    count = int(np.count_nonzero(target.weight, axis=1)[neurons].sum())
    if target.bias is not None:
        biased = target.bias[neurons] != 0
        total += float(np.abs(bias[biased]).sum())
        count += int(np.count_nonzero(biased))
    return ParameterErrors(max(float(weights.max()), float(np.abs(bias).max())), total, count)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Everything about some live copies."""

    part: DifferencePart
    bias: Array
    radius: Array
    errors: ParameterErrors


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of copies and what it reads: what ``build_difference`` was asked about."""

    layer: TicketLayer
    cells: LayerCells
    meaning: Meaning
    below: Emission
    used: NDArray[np.bool_]
    target: DenseLayer
    nonnegative: bool

    def rows(self) -> Iterator[_Rows]:
        """The live copies, some after the other."""
        first = 0
        for cells in live_cells(self.layer, self.cells, self.meaning, self.used):
            yield self._rows(first, cells)
            first += cells.neurons.size

    def parts(self) -> Iterator[DifferencePart]:
        """Their linear terms."""
        return (rows.part for rows in self.rows())

    def _rows(self, first: int, cells: LiveCells) -> _Rows:
        target, below = self.target, self.below
        found = effective_parameters(self.layer, cells, self.meaning)
        plus = found.plus - target.weight[found.neurons]
        minus = plus if self.nonnegative else found.minus - target.weight[found.neurons]
        bias = found.bias - (0.0 if target.bias is None else target.bias[found.neurons])
        carry, carry_turn = _carries(cells, below)
        weights, height = np.abs(cells.values), cells.neurons.size
        noise = weights * below.noise[cells.columns]
        if below.deviation.any():
            noise += _deviations(cells, below)
        taken = np.bincount(cells.rows, weights * below.supremum[cells.columns], minlength=height)
        counts = np.bincount(cells.rows, minlength=height)
        rounded = rounding_growth(np.asarray(counts + 2.0)) * (taken + np.abs(cells.biases))
        return _Rows(
            DifferencePart(first, carry, carry_turn, from_dense(plus), from_dense(minus - plus)),
            bias,
            np.bincount(cells.rows, noise, minlength=height) + rounded + SMALLEST,
            _parameter_errors(target, found.neurons, plus, minus, bias),
        )


def build_difference(
    layer: TicketLayer,
    cells: LayerCells,
    meaning: Meaning,
    below: Emission,
    used: NDArray[np.bool_],
    target: DenseLayer,
    *,
    nonnegative: bool,
) -> Difference:
    """The difference of a layer of copies to its target layer, for the live copies.

    Args:
        layer: the claim.
        cells: its kept cells.
        meaning: of the layer below.
        below: the emission of the layer below.
        used: (neuron,) the live neurons.
        target: the target layer.
        nonnegative: its units never fall below 0.
    """
    asked = _Layer(layer, cells, meaning, below, used, target, nonnegative)
    live = np.flatnonzero(used[: layer.first_constant])
    held: list[DifferencePart] = []
    bias, radius = [np.zeros(0)], [np.zeros(0)]
    largest, total, count, entries = 0.0, 0.0, 0, 0
    carries = turns = False
    for rows in asked.rows():
        part, errors = rows.part, rows.errors
        bias.append(rows.bias)
        radius.append(rows.radius)
        largest, total = max(largest, errors.largest), total + errors.total
        count += errors.count
        entries += part.own.values.size + (0 if part.carry is None else part.carry.values.size)
        carries |= part.carry is not None
        turns |= part.carry_turn is not None or part.turn.values.size > 0
        if entries <= MOST_HELD:
            held.append(part)
        else:
            held.clear()
    return Difference(
        live // layer.block_size,
        np.concatenate(bias),
        np.concatenate(radius),
        ParameterErrors(largest, total, count),
        entries,
        carries,
        turns,
        (lambda: held) if entries <= MOST_HELD else asked.parts,
    )
