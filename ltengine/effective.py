"""What a ticket's neurons really compute: effective target parameters, read off the kept cells.

By induction from the inputs, each neuron of a layer gets a meaning for a unit x of the target:

* it emits ``gain_plus`` x + ``value`` where x >= 0 and ``gain_minus`` x + ``value`` where x < 0, up
  to its deviation (a univariate neuron; a copy of the unit itself has gains 1 and value 0), or
* it emits the constant ``value``.

A copy's pre-activation is then sum_j W+_j x_j (or W-_j x_j where x_j < 0) + b, and (W+, W-, b) are
the effective parameters to compare with the target's. Nothing here knows how the cells were chosen.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.network import DenseLayer
from ltengine.role import Role
from ltengine.source import Pairing
from ltengine.sparse_network import LayerCells
from ltengine.ticket import Ticket, TicketLayer

NO_UNIT = -1
ENTRIES_PER_CHUNK = 1 << 17
"""A chunk of effective parameters, a few of which stay in the processor's cache."""


class StructureError(Exception):
    """The kept cells are not what the layer's claim says; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What each neuron of a layer (or each input) emits.

    Attributes:
        unit: (neuron,) int64, the target unit it depends on; NO_UNIT for a constant.
        gain_plus: (neuron,) slope for x >= 0.
        gain_minus: (neuron,) slope for x < 0.
        value: (neuron,) what a constant emits; of a carrier its intercept, phi(0).
        units: how many target units the layer carries.
        drive: (neuron,) |w| of a carrier, which emits phi(w x); else 0.
        carrier: phi of a univariate layer; None for copies and inputs.
        paired: neurons 2 q and 2 q + 1 are a looks-linear pair.
        bounds: between which every unit stays, where that is known exactly: of the inputs.
    """

    unit: NDArray[np.int64]
    gain_plus: NDArray[np.float64]
    gain_minus: NDArray[np.float64]
    value: NDArray[np.float64]
    units: int
    drive: NDArray[np.float64]
    carrier: Activation | None = None
    paired: bool = False
    bounds: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class LiveCells:
    """Cells of some live copies.

    Attributes:
        neurons: (row,) source neurons, ascending.
        offsets: (row + 1,) where each row's cells begin.
        columns: (cell,)
        values: (cell,)
        biases: (row,)
    """

    neurons: NDArray[np.int64]
    offsets: NDArray[np.int64]
    columns: NDArray[np.integer]
    values: NDArray[np.float64]
    biases: NDArray[np.float64]

    def rows(self) -> NDArray[np.int64]:
        """(cell,) into ``neurons``, ascending."""
        return np.repeat(np.arange(self.neurons.size), np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class EffectiveRows:
    """Effective parameters of some copies.

    Attributes:
        rows: (row,) source neurons.
        neurons: (row,) the target neuron each is a copy of.
        plus: (row, unit) effective weights where the unit is >= 0.
        minus: (row, unit) effective weights where it is < 0; ``plus`` itself where it never is.
        bias: (row,) effective bias.
    """

    rows: NDArray[np.int64]
    neurons: NDArray[np.int64]
    plus: NDArray[np.float64]
    minus: NDArray[np.float64]
    bias: NDArray[np.float64]


def input_meaning(inputs: int, low: float, high: float) -> Meaning:
    """The inputs are themselves, between ``low`` and ``high``."""
    ones = np.ones(inputs)
    nothing = np.zeros(inputs)
    return Meaning(np.arange(inputs), ones, ones, nothing, inputs, nothing, bounds=(low, high))


def _constant_values(layer: TicketLayer, cells: LayerCells, below: Meaning) -> NDArray[np.float64]:
    """(constant,) what the layer's constant neurons emit; their cells may read constants only."""
    part = cells.between(layer.first_constant, layer.width)
    if (below.unit[part.columns] != NO_UNIT).any():
        raise StructureError("a constant neuron reads a neuron that is not constant")
    drive = np.bincount(
        part.rows, part.values * below.value[part.columns], minlength=layer.constants
    )
    return np.asarray(layer.activation.value(drive + part.biases), np.float64)


def _check_always_on(
    activation: Activation,
    weights: NDArray[np.float64],
    biases: NDArray[np.float64],
    below: Meaning,
) -> None:
    """Do these biased neurons stay where phi is linear, whatever the input?"""
    if below.bounds is None:
        raise StructureError("a univariate neuron above the first layer keeps a bias")
    if not activation.piecewise_linear:
        raise StructureError(f"a biased univariate neuron, and {activation.name} is not linear")
    low, high = below.bounds
    if (biases + np.minimum(weights * low, weights * high) < 0).any():
        raise StructureError("a biased univariate neuron switches off inside the input domain")


def univariate_meaning(
    layer: TicketLayer, cells: LayerCells, below: Meaning, live: NDArray[np.bool_]
) -> Meaning:
    """Gains of univariate neurons: phi(w x) is about m+ w x + d or m- w x + d by the sign of w x.

    A biased one that never switches off is phi(w x + b) = m+ (w x + b).

    Raises:
        StructureError: a live neuron has not exactly one weight, reads another unit than its
            block's or a constant, or keeps a bias and switches off somewhere on the domain.
    """
    first = layer.first_constant
    activation = layer.activation
    counts = np.diff(cells.offsets)[:first]
    if (counts[live[:first]] != 1).any():
        raise StructureError("a univariate neuron keeps another number of weights than one")
    part = cells.between(0, first)
    rows, columns = part.rows, part.columns
    if (below.unit[columns] != rows // layer.block_size).any():
        raise StructureError("a univariate neuron reads another unit than its block's")
    weights = np.zeros(first)
    weights[rows] = part.values
    if below.carrier is not None and not below.carrier.piecewise_linear:
        raise StructureError("a carrier reads another one that is only approximately linear")
    # phi's argument for x = 1 and for x = -1
    ahead, behind = np.zeros(first), np.zeros(first)
    ahead[rows] = weights[rows] * below.gain_plus[columns]
    behind[rows] = -weights[rows] * below.gain_minus[columns]
    up = np.where(ahead > 0, activation.m_plus, activation.m_minus) * ahead
    down = -np.where(behind > 0, activation.m_plus, activation.m_minus) * behind
    value = np.full(first, activation.intercept)
    biased = cells.biases[:first] != 0
    if biased.any():
        _check_always_on(activation, weights[biased], cells.biases[:first][biased], below)
        up[biased] = down[biased] = activation.m_plus * weights[biased]
        value[biased] = activation.m_plus * cells.biases[:first][biased]
    constants = np.full(layer.constants, NO_UNIT)
    nothing = np.zeros(layer.constants)
    return Meaning(
        np.concatenate((np.arange(first) // layer.block_size, constants)),
        np.concatenate((up, nothing)),
        np.concatenate((down, nothing)),
        np.concatenate((value, _constant_values(layer, cells, below))),
        layer.units,
        np.concatenate((np.abs(weights), nothing)),
        activation,
        layer.pairing is Pairing.ROWS,
    )


def copies_meaning(layer: TicketLayer, cells: LayerCells, below: Meaning) -> Meaning:
    """Copies emit the unit itself (up to their error); constants emit their value."""
    first = layer.first_constant
    ones = np.concatenate((np.ones(first), np.zeros(layer.constants)))
    unit = np.arange(layer.width) // layer.block_size
    unit[first:] = NO_UNIT
    value = np.concatenate((np.zeros(first), _constant_values(layer, cells, below)))
    return Meaning(unit, ones, ones, value, layer.units, np.zeros(layer.width))


def next_meaning(
    layer: TicketLayer, cells: LayerCells, below: Meaning, live: NDArray[np.bool_]
) -> Meaning:
    """The meaning of a layer's neurons, by its role."""
    if layer.role is Role.UNIVARIATE:
        return univariate_meaning(layer, cells, below, live)
    return copies_meaning(layer, cells, below)


def live_neurons(ticket: Ticket) -> tuple[NDArray[np.bool_], ...]:
    """For each source layer, which neurons something above reads; all of the last layer's."""
    live = []
    for layer, above in pairwise(ticket.layers):
        used = np.zeros(layer.width, dtype=np.bool_)
        used[above.mask.used_columns()] = True
        live.append(used)
    return (*live, np.ones(ticket.layers[-1].width, dtype=np.bool_))


def live_copies(layer: TicketLayer, live: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The live neurons of a layer that are no constants, ascending."""
    return np.flatnonzero(live[: layer.first_constant])


def parameter_errors(
    effective: EffectiveRows, target: DenseLayer
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(row, unit) weight errors and (row,) bias errors; the worse of both signs of the unit."""
    wanted = target.weight[effective.neurons]
    weights = np.abs(effective.plus - wanted)
    if effective.minus is not effective.plus:
        weights = np.maximum(weights, np.abs(effective.minus - wanted))
    bias = 0.0 if target.bias is None else target.bias[effective.neurons]
    return weights, np.abs(effective.bias - bias)


def chunks_of_copies(
    layer: TicketLayer, rows: NDArray[np.int64], units: int
) -> list[NDArray[np.int64]]:
    """Live copies (ascending) of a layer in chunks of whole blocks, as it reads so many units."""
    per_chunk = max(1, ENTRIES_PER_CHUNK // units)
    blocks = rows // layer.block_size
    chunks, end = [], 0
    while end < rows.size:
        begin, last = end, min(end + per_chunk, rows.size) - 1
        end = int(np.searchsorted(blocks, blocks[last], "right"))
        chunks.append(rows[begin:end])
    return chunks


def live_cells(cells: LayerCells, chunk: NDArray[np.int64]) -> LiveCells:
    """Cells of a chunk of live copies (ascending)."""
    first = int(chunk[0])
    part = cells.between(first, int(chunk[-1]) + 1)
    counts = np.diff(part.offsets)
    own = counts[chunk - first]
    columns, values = part.columns, part.values
    if own.sum() < columns.size:
        kept = np.zeros(part.width, np.bool_)
        kept[chunk - first] = True
        inside = np.repeat(kept, counts)
        columns, values = columns[inside], values[inside]
    offsets = np.concatenate(([0], np.cumsum(own)))
    return LiveCells(chunk, offsets, columns, values, cells.biases[chunk])


@numba.njit(nogil=True, cache=True)
def _add_up(  # type: ignore[no-untyped-def]
    offsets, columns, values, unit, gain_plus, gain_minus, value, plus, minus, bias, both
):
    """Each row's cells onto the unit that each depends on, in the order of the cells."""
    for row in range(offsets.size - 1):
        constant = 0.0
        for cell in range(offsets[row], offsets[row + 1]):
            column = columns[cell]
            constant += values[cell] * value[column]
            if unit[column] != NO_UNIT:
                plus[row, unit[column]] += values[cell] * gain_plus[column]
                if both:
                    minus[row, unit[column]] += values[cell] * gain_minus[column]
        bias[row] += constant


def effective_parameters(
    layer: TicketLayer, cells: LiveCells, below: Meaning, *, nonnegative: bool
) -> EffectiveRows:
    """Effective parameters of some live copies; ``nonnegative`` where no unit is ever < 0."""
    shape = (cells.neurons.size, below.units)
    plus, bias = np.zeros(shape), np.zeros(shape[0])
    minus = plus if nonnegative else np.zeros(shape)
    meaning = (below.unit, below.gain_plus, below.gain_minus, below.value)
    _add_up(
        cells.offsets, cells.columns, cells.values, *meaning, plus, minus, bias, not nonnegative
    )
    neurons = cells.neurons
    return EffectiveRows(neurons, neurons // layer.block_size, plus, minus, bias + cells.biases)
