"""The ticket as the sparse network it is: every kept cell with its value, rebuilt from the seed.

A ticket of hundreds of millions of cells fits in memory as a mask, but not with its values. So a
layer gives the values of the rows that are asked for, and draws them then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.normal_quantile import normal_value
from ltengine.philox_kernel import LOW, philox, uniform_value
from ltengine.source import Distribution, Pairing, Source
from ltengine.threads import kernel_lock
from ltengine.ticket import Ticket, TicketLayer

PARALLEL_CELLS = 1 << 20
"""Fewer are drawn before threads have met."""


class LayerCells(Protocol):
    """Kept cells of one source layer, some rows at a time."""

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(width + 1,) where each row's cells begin."""
        ...

    @property
    def biases(self) -> NDArray[np.float64]:
        """(width,) scaled, 0 where the bias is pruned."""
        ...

    @property
    def activation(self) -> Activation:
        """After the sum."""
        ...

    def between(self, first: int, last: int) -> SparseLayer:
        """Rows first ... last - 1 with their values, counted from 0."""
        ...


@dataclass(frozen=True, slots=True)
class SparseLayer:
    """Kept cells of one source layer, or of some of its rows, with their values.

    Attributes:
        rows: (cell,) int32 where they are of a ticket.
        columns: (cell,) int32 where they are of a ticket.
        values: (cell,) float64, scaled.
        offsets: (width + 1,) int64, where each row's cells begin.
        biases: (width,) float64, scaled, 0 where the bias is pruned.
        activation: after the sum.
    """

    rows: NDArray[np.integer]
    columns: NDArray[np.integer]
    values: NDArray[np.float64]
    offsets: NDArray[np.int64]
    biases: NDArray[np.float64]
    activation: Activation

    @property
    def width(self) -> int:
        """Rows."""
        return int(self.biases.size)

    def between(self, first: int, last: int) -> SparseLayer:
        """Rows first ... last - 1, counted from 0."""
        begin, end = int(self.offsets[first]), int(self.offsets[last])
        return SparseLayer(
            self.rows[begin:end] - first,
            self.columns[begin:end],
            self.values[begin:end],
            self.offsets[first : last + 1] - begin,
            self.biases[first:last],
            self.activation,
        )


@dataclass(frozen=True, slots=True)
class DrawnLayer:
    """Kept cells of one layer of a ticket; their values are drawn when rows are asked for.

    Attributes:
        number: of the source layer, from 1.
        layer: its mask, scale and pairing.
        source: fixes the values.
        biases: (width,) float64, scaled, 0 where the bias is pruned.
    """

    number: int
    layer: TicketLayer
    source: Source
    biases: NDArray[np.float64]

    @property
    def offsets(self) -> NDArray[np.int64]:
        """(width + 1,) where each row's cells begin."""
        return self.layer.mask.offsets

    @property
    def activation(self) -> Activation:
        """After the sum."""
        return self.layer.activation

    def between(self, first: int, last: int) -> SparseLayer:
        """Rows first ... last - 1 with their values, counted from 0."""
        mask = self.layer.mask
        begin = int(mask.offsets[first])
        offsets = mask.offsets[first : last + 1] - begin
        columns = mask.columns[begin : int(mask.offsets[last])]
        rows = np.repeat(np.arange(last - first, dtype=np.int32), np.diff(offsets))
        values = np.empty(columns.size)
        layer = (
            np.uint64(self.source.seed),
            self.source.distribution is Distribution.NORMAL,
            self.number,
            self.layer.pairing is Pairing.ROWS,
            self.layer.pairing is Pairing.COLUMNS,
            self.layer.scale,
        )
        if columns.size >= PARALLEL_CELLS:
            with kernel_lock:
                _draw_in_parallel(layer, first, offsets, columns, values)
        else:
            _draw_serially(layer, first, offsets, columns, values)
        return SparseLayer(
            rows, columns, values, offsets, self.biases[first:last], self.layer.activation
        )


@numba.njit(nogil=True, cache=True)
def _draw_row(layer, address, columns, values):  # type: ignore[no-untyped-def]
    """The values of a row's cells."""
    seed, normal, number, paired_rows, paired_columns, scale = layer
    k0, k1 = np.uint64(seed) & LOW, np.uint64(seed) >> np.uint64(32)
    source_layer, stream = np.uint64(number), np.uint64(0)
    row_sign = scale
    if paired_rows:
        row_sign = -scale if address & 1 else scale
        address >>= 1
    drawn = np.int64(-1)
    w0 = w1 = w2 = w3 = np.uint64(0)
    for c in range(columns.size):
        column = np.int64(columns[c])
        sign = row_sign
        if paired_columns:
            sign = -row_sign if column & 1 else row_sign
            column >>= 1
        if column >> 2 != drawn:
            drawn = column >> 2
            w0, w1, w2, w3 = philox(
                np.uint64(drawn), np.uint64(address), source_layer, stream, k0, k1
            )
        lane = column & 3
        word = w0 if lane == 0 else (w1 if lane == 1 else (w2 if lane == 2 else w3))
        cell = normal_value(np.int64(word >> np.uint64(8))) if normal else uniform_value(word)
        values[c] = cell * sign


@numba.njit(nogil=True, cache=True)
def _draw_serially(layer, first_row, offsets, columns, values):  # type: ignore[no-untyped-def]
    for r in range(offsets.size - 1):
        begin, end = offsets[r], offsets[r + 1]
        _draw_row(layer, first_row + r, columns[begin:end], values[begin:end])


@numba.njit(parallel=True, cache=True)
def _draw_in_parallel(layer, first_row, offsets, columns, values):  # type: ignore[no-untyped-def]
    # a function of its own: numba's cache takes two compilations of one function for the same
    for r in numba.prange(offsets.size - 1):
        begin, end = offsets[r], offsets[r + 1]
        _draw_row(layer, first_row + r, columns[begin:end], values[begin:end])


def spans(offsets: NDArray[np.int64], cells: int) -> Iterator[tuple[int, int]]:
    """Successive rows first ... last - 1 of about so many cells at most, but for a longer row."""
    first, height = 0, offsets.size - 1
    while first < height:
        fits = int(np.searchsorted(offsets, offsets[first] + cells, "right")) - 1
        last = min(max(fits, first + 1), height)
        yield first, last
        first = last


def ticket_layers(ticket: Ticket) -> tuple[DrawnLayer, ...]:
    """Every layer of the ticket, its values to be drawn when they are asked for."""
    layers = []
    for number, layer in enumerate(ticket.layers, start=1):
        biases = np.zeros(layer.width)
        kept = np.flatnonzero(layer.mask.biases)
        # a bias belongs to its row, so only row pairs negate it
        pairing = Pairing.ROWS if layer.pairing is Pairing.ROWS else Pairing.NONE
        biases[kept] = ticket.source.biases(number, kept, pairing) * layer.scale
        layers.append(DrawnLayer(number, layer, ticket.source, biases))
    return tuple(layers)


def rebuild(ticket: Ticket) -> tuple[SparseLayer, ...]:
    """Every layer of the ticket with the values that the seed gives its cells, all at once."""
    return tuple(layer.between(0, layer.layer.width) for layer in ticket_layers(ticket))
