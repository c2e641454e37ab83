"""What sets a ticket's neurons apart from the target's, before any bound is propagated.

For a copy r of target neuron j, with pre-activations zhat and z, the cells of the ticket give

    zhat_r - z_j = sum_c carry_rc d_c + sum_i (own_ri x_i + turn_ri min(x_i, 0)) + bias_r +- rad_r,

where d_c is the error of what copy c in the layer below emits, x the target's own units, own and
bias the errors of the effective parameters for x >= 0, and turn how much they differ for x < 0.
rad_r holds what has no sign of its own: rounding in single precision, as ``evaluation`` computes,
and activations of univariate neurons that are only nearly linear.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.effective import (
    LiveCells,
    Meaning,
    chunks_of_copies,
    effective_parameters,
    live_cells,
)
from ltengine.emission import NO_COPY, SMALLEST, Emission, rounding_growth
from ltengine.network import DenseLayer
from ltengine.sparse_network import LayerCells
from ltengine.sparse_rows import SparseRows, from_dense, from_entries, no_entries
from ltengine.threads import in_order
from ltengine.ticket import TicketLayer

Array = NDArray[np.float64]

MOST_HELD = 1 << 23
"""Terms of a layer that are held, at some 12 bytes each; more are made anew when needed."""


@dataclass(frozen=True, slots=True)
class ParameterErrors:
    """Errors of effective parameters, over some live copies and both signs of a unit.

    Attributes:
        largest: of them all.
        total: sum over the parameters that are not 0 in the target.
        count: how many those are.
    """

    largest: float
    total: float
    count: int


def join_errors(parts: Iterable[ParameterErrors]) -> ParameterErrors:
    """Over all parts together, in their order."""
    largest, total, count = 0.0, 0.0, 0
    for part in parts:
        largest, total = max(largest, part.largest), total + part.total
        count += part.count
    return ParameterErrors(largest, total, count)


@dataclass(frozen=True, slots=True)
class Links:
    """How much of the errors below some live copies pass on, by norms alone.

    Attributes:
        row: the largest sum of |carry| of a copy.
        columns: (unit,) for each unit below, the sum over target neurons of the largest sum of
            |carry| that one of their copies has from it; empty where nothing is passed on.
    """

    row: float
    columns: Array


def join_links(parts: Iterable[Links]) -> Links:
    """Over all parts together, in their order, each of whole neurons."""
    row, columns = 0.0, np.zeros(0)
    for part in parts:
        row = max(row, part.row)
        columns = columns + part.columns if columns.size else part.columns
    return Links(row, columns)


@dataclass(frozen=True, slots=True)
class DifferencePart:
    """The terms above for some live copies, ``first`` and those after it.

    ``carry`` is None in the first layer; ``carry_turn`` is how much ``carry`` differs for copies
    below 0, None where it does not. ``errors`` are those of the copies' parameters, ``links`` says
    what the copies pass on.
    """

    first: int
    carry: SparseRows | None
    carry_turn: SparseRows | None
    own: SparseRows
    turn: SparseRows
    bias: Array
    radius: Array
    errors: ParameterErrors
    links: Links

    @property
    def rows(self) -> slice:
        """Its copies among the live ones."""
        return slice(self.first, self.first + self.own.height)

    @property
    def entries(self) -> int:
        """How many terms ``own`` and ``carry`` have."""
        return self.own.values.size + (0 if self.carry is None else self.carry.values.size)


def _deviations(cells: LiveCells, below: Emission) -> Array:
    """(row,) what the cells add to their row's radius for activations that are nearly linear.

    Two cells of a row with opposite weights that read neurons with opposite weights from one
    neuron are a looks-linear pair: its even part cancels.
    """
    rows, size = cells.rows(), np.abs(cells.values) * below.deviation[cells.columns]
    drive = below.drive[cells.columns]
    read = below.reads[cells.columns]
    order = np.lexsort((np.abs(cells.values), np.abs(drive), read, rows))
    first, second = order[:-1], order[1:]
    pair = (rows[first] == rows[second]) & (read[first] == read[second])
    pair &= (drive[first] == -drive[second]) & (drive[first] != 0)
    pair &= cells.values[first] == -cells.values[second]
    pair[1:] &= ~pair[:-1]  # in a run of equals, only some are matched: sound, as others stay
    paired = np.abs(cells.values) * below.paired_deviation[cells.columns]
    size[first[pair]] = paired[first[pair]]
    size[second[pair]] = 0.0
    sums = np.bincount(rows, size, minlength=cells.neurons.size)
    return sums.astype(np.float64, copy=False)


@numba.njit(nogil=True, cache=True)
def _add_absolutes(offsets, columns, values, noise, supremum, passed, taken):  # type: ignore[no-untyped-def]
    """Each row's sums of |value| noise and of |value| supremum."""
    for row in range(offsets.size - 1):
        first = second = 0.0
        for cell in range(offsets[row], offsets[row + 1]):
            weight = abs(values[cell])
            first += weight * noise[columns[cell]]
            second += weight * supremum[columns[cell]]
        passed[row], taken[row] = first, second


def _radius(cells: LiveCells, below: Emission) -> Array:
    """(row,) what has no sign of its own."""
    passed, taken = np.empty(cells.neurons.size), np.empty(cells.neurons.size)
    each = cells.offsets, cells.columns, cells.values
    _add_absolutes(*each, below.noise, below.supremum, passed, taken)
    if below.deviation.any():
        passed += _deviations(cells, below)
    operations = np.diff(cells.offsets) + 2.0
    return passed + rounding_growth(operations) * (taken + np.abs(cells.biases)) + SMALLEST


@numba.njit(nogil=True, cache=True)
def _count_carried(offsets, columns, copy, counts):  # type: ignore[no-untyped-def]
    """How many copies each row passes on; -1 where their cells do not come in order."""
    for row in range(offsets.size - 1):
        last, count = NO_COPY, 0
        for cell in range(offsets[row], offsets[row + 1]):
            carried = copy[columns[cell]]
            if carried in (NO_COPY, last):
                continue
            count = count + 1 if carried > last and count >= 0 else -1
            last = carried
        counts[row] = count


@numba.njit(nogil=True, cache=True)
def _carry_on(offsets, columns, values, copy, slope, places, carried, sums):  # type: ignore[no-untyped-def]
    """Fill in what ``_count_carried`` has counted; cells of one copy add up."""
    for row in range(offsets.size - 1):
        place = places[row] - 1
        for cell in range(offsets[row], offsets[row + 1]):
            column = columns[cell]
            if copy[column] == NO_COPY:
                continue
            if place < places[row] or carried[place] != copy[column]:
                place += 1
                carried[place], sums[place] = copy[column], 0.0
            sums[place] += values[cell] * slope[column]


def _carries(cells: LiveCells, below: Emission, slope: Array) -> SparseRows:
    """What rows pass on of the errors of copies, by how steeply each neuron emits its copy."""
    height = cells.neurons.size
    counts = np.empty(height, np.int64)
    _count_carried(cells.offsets, cells.columns, below.copy, counts)
    if (counts < 0).any():
        copy = below.copy[cells.columns]
        at = copy != NO_COPY
        passed = (cells.values * slope[cells.columns])[at]
        return from_entries(cells.rows()[at], copy[at], passed, (height, below.copies))
    offsets = np.concatenate(([0], np.cumsum(counts)))
    carried, sums = np.empty(offsets[-1], np.int32), np.empty(offsets[-1])
    each = cells.offsets, cells.columns, cells.values
    _carry_on(*each, below.copy, slope, offsets[:-1], carried, sums)
    return SparseRows(offsets, carried, sums, below.copies)


@numba.njit(nogil=True, cache=True)
def _largest_by_unit(neurons, offsets, carried, values, unit, largest):  # type: ignore[no-untyped-def]
    """Into (neuron, unit): the largest sum of |value| that a row of the neuron has from the unit.

    ``neurons`` ascend; places in ``largest`` count from the first of them.
    """
    sums = np.zeros(largest.shape[1])
    for row in range(neurons.size):
        place = neurons[row] - neurons[0]
        for entry in range(offsets[row], offsets[row + 1]):
            sums[unit[carried[entry]]] += abs(values[entry])
        for entry in range(offsets[row], offsets[row + 1]):
            at = unit[carried[entry]]
            largest[place, at] = max(largest[place, at], sums[at])
            sums[at] = 0.0


def _links(
    neurons: NDArray[np.int64],
    carry: SparseRows | None,
    carry_turn: SparseRows | None,
    below: Emission,
    units: int,
) -> Links:
    if carry is None:
        return Links(0.0, np.zeros(0))
    ones = np.ones(carry.width)
    largest = np.zeros((int(neurons[-1] - neurons[0]) + 1, units))
    rows = carry.absolute_product(ones)
    _largest_by_unit(neurons, carry.offsets, carry.columns, carry.values, below.units, largest)
    if carry_turn is not None:
        turned = np.zeros(largest.shape)
        each = carry_turn.offsets, carry_turn.columns, carry_turn.values
        _largest_by_unit(neurons, *each, below.units, turned)
        rows, largest = rows + carry_turn.absolute_product(ones), largest + turned
    return Links(float(rows.max()), largest.sum(0))


def _parameter_errors(
    target: DenseLayer, neurons: NDArray[np.int64], plus: Array, minus: Array, bias: Array
) -> ParameterErrors:
    weights = np.abs(plus)
    if minus is not plus:
        np.maximum(weights, np.abs(minus), out=weights)
    total = float(weights[target.weight[neurons] != 0].sum())
    count = int(np.count_nonzero(target.weight, axis=1)[neurons].sum())
    if target.bias is not None:
        biased = target.bias[neurons] != 0
        total += float(np.abs(bias[biased]).sum())
        count += int(np.count_nonzero(biased))
    return ParameterErrors(max(float(weights.max()), float(np.abs(bias).max())), total, count)


@dataclass(slots=True)
class Difference:
    """A layer of copies beside its target layer: the terms above for its live copies.

    They are made when they are asked for, anew each time where they are too many to be held.

    Attributes:
        layer: the claim.
        cells: its kept cells.
        meaning: of the layer below.
        below: the emission of the layer below.
        live: the live copies, ascending.
        target: the target layer.
        nonnegative: its units never fall below 0.
    """

    layer: TicketLayer
    cells: LayerCells
    meaning: Meaning
    below: Emission
    live: NDArray[np.int64]
    target: DenseLayer
    nonnegative: bool
    _held: list[DifferencePart] | None = None

    @property
    def neurons(self) -> NDArray[np.int64]:
        """(copy,) the target neuron it is a copy of."""
        return self.live // self.layer.block_size

    def parts(self) -> Iterable[DifferencePart]:
        """The terms of all live copies, some copies after the other."""
        return self._made() if self._held is None else self._held

    def parts_between(self, first: int, last: int) -> Iterator[DifferencePart]:
        """Those of live copies first ... last - 1."""
        chunks = chunks_of_copies(self.layer, self.live[first:last], self.meaning.units)
        ends = first + np.cumsum([chunk.size for chunk in chunks], dtype=np.int64)
        places = [(int(end) - chunk.size, chunk) for end, chunk in zip(ends, chunks, strict=True)]
        return in_order(lambda place: self._part(*place), places)

    def _made(self) -> Iterator[DifferencePart]:
        held: list[DifferencePart] | None = []
        entries = 0
        for part in self.parts_between(0, self.live.size):
            entries += part.entries
            if entries > MOST_HELD:
                held = None
            if held is not None:
                held.append(part)
            yield part
        self._held = held

    def _part(self, first: int, chunk: NDArray[np.int64]) -> DifferencePart:
        target, below, cells = self.target, self.below, live_cells(self.cells, chunk)
        found = effective_parameters(self.layer, cells, self.meaning, nonnegative=self.nonnegative)
        wanted = target.weight[found.neurons]
        plus = np.subtract(found.plus, wanted, out=found.plus)
        minus = plus if self.nonnegative else np.subtract(found.minus, wanted, out=found.minus)
        bias = found.bias - (0.0 if target.bias is None else target.bias[found.neurons])
        carry = carry_turn = None
        if below.copies:
            carry = _carries(cells, below, below.plus)
            if below.plus is not below.minus:
                carry_turn = _carries(cells, below, below.minus - below.plus)
        # copies of units that are never below 0 are hardly ever themselves
        unsigned_turn = None if self.nonnegative else carry_turn
        return DifferencePart(
            first,
            carry,
            carry_turn,
            from_dense(plus),
            no_entries(*plus.shape) if self.nonnegative else from_dense(minus - plus),
            bias,
            _radius(cells, below),
            _parameter_errors(target, found.neurons, plus, minus, bias),
            _links(found.neurons, carry, unsigned_turn, below, target.inputs),
        )
