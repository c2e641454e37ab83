"""A network and its gradient, sparse, in single or double precision, for a tile of samples.

Ticket and target become chains of one kind. What a search has no need of is left out: neurons that
only carry a target's unit are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import IDENTITY, Activation
from ltengine.evaluation import CompactLayer
from ltengine.lanes import REGISTER_BYTES, add_product, fill, store
from ltengine.network import Network
from ltengine.sparse_rows import SparseRows, from_dense, from_entries

CELLS_PER_BLOCK, MOST_BLOCKS = 1 << 22, 16
"""Threads share a layer of more cells than that in blocks of rows, at most so many."""
NEURONS_PER_BLOCK = 1 << 13
"""Of a layer that many rows read: half a megabyte of a tile."""
Array = NDArray[np.floating]
Precision = type[np.float32] | type[np.float64]


def samples_per_tile(precision: Precision) -> int:
    """How many samples a chain of that precision takes at a time."""
    return REGISTER_BYTES // np.dtype(precision).itemsize


@dataclass(frozen=True, slots=True)
class _Stage:
    """A layer: row-compressed cells in single or double precision.

    Attributes:
        offsets: (row + 1,)
        columns: (cell,) into the layer below.
        values: (cell,)
        biases: (row,)
        activation: after the sum.
        inputs: neurons of the layer below.
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.floating]
    biases: NDArray[np.floating]
    activation: Activation
    inputs: int

    def blocks(self) -> list[tuple[int, int]]:
        """Rows first ... last - 1 of each block."""
        count = min(MOST_BLOCKS, 1 + self.columns.size // CELLS_PER_BLOCK)
        shares = self.columns.size * np.arange(1, count) // count
        inner = np.searchsorted(self.offsets, shares, "right") - 1
        bounds = sorted({0, *inner.tolist(), self.biases.size})
        return list(pairwise(bounds)) or [(0, 0)]


def _stage(cells: SparseRows, biases: NDArray[np.floating], activation: Activation) -> _Stage:
    return _Stage(cells.offsets, cells.columns, cells.values, biases, activation, cells.width)


@numba.njit(nogil=True, cache=True)
def _multiply_tile(offsets, columns, values, biases, x, y):  # type: ignore[no-untyped-def]
    """y[row] = biases[row] + sum over the row's cells of value * x[column], lane by lane.

    Neurons below are read a block at a time, which stays in the processor's cache; each row goes on
    where it was. Two sums, of every other cell each: one would wait for its own last product.
    """
    tile, begins = x.shape[1], offsets[:-1].copy()
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for row in range(y.shape[0]):
        store(fill(x.dtype.type(biases[row])), y, row * tile)
    for bound in range(NEURONS_PER_BLOCK, x.shape[0] + NEURONS_PER_BLOCK, NEURONS_PER_BLOCK):
        for row in range(y.shape[0]):
            cell, last = begins[row], offsets[row + 1]
            if cell == last or columns[cell] >= bound:
                continue
            even = add_product(fill(zero), one, y, row * tile)
            odd = fill(zero)
            while cell + 1 < last and columns[cell + 1] < bound:
                even = add_product(even, values[cell], x, np.intp(columns[cell]) * tile)
                odd = add_product(odd, values[cell + 1], x, np.intp(columns[cell + 1]) * tile)
                cell += 2
            if cell < last and columns[cell] < bound:
                even = add_product(even, values[cell], x, np.intp(columns[cell]) * tile)
                cell += 1
            store(even, y, row * tile)
            store(add_product(odd, one, y, row * tile), y, row * tile)
            begins[row] = cell


@numba.njit(nogil=True, cache=True)
def _multiply_tile_back(offsets, columns, values, x, y):  # type: ignore[no-untyped-def]
    """y[column] = sum over the column's cells of value * x[row], in the order of rows."""
    tile, begins = x.shape[1], offsets[:-1].copy()
    one, zero = x.dtype.type(1), x.dtype.type(0)
    y[:] = 0
    for bound in range(NEURONS_PER_BLOCK, y.shape[0] + NEURONS_PER_BLOCK, NEURONS_PER_BLOCK):
        for row in range(x.shape[0]):
            cell, last = begins[row], offsets[row + 1]
            while cell < last and columns[cell] < bound:
                place = np.intp(columns[cell]) * tile
                sums = add_product(fill(zero), one, y, place)
                store(add_product(sums, values[cell], x, row * tile), y, place)
                cell += 1
            begins[row] = cell


class Chain:
    """A network and its gradient; samples are columns, a tile of them.

    ``workers`` share large layers; how these are divided, and so every sum, depends on their size.
    """

    def __init__(
        self, stages: list[_Stage], precision: Precision, workers: Executor | None = None
    ) -> None:
        self._workers = workers
        self._stages = [
            replace(
                stage,
                values=stage.values.astype(precision, copy=False),
                biases=stage.biases.astype(precision, copy=False),
            )
            for stage in stages
        ]
        self._precision = precision

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return tuple(stage.biases.size for stage in self._stages)

    @property
    def cells(self) -> int:
        """Products that it makes for each sample."""
        return sum(stage.columns.size for stage in self._stages)

    def outputs(self, x: Array) -> tuple[Array, list[Array]]:
        """(output, sample), and the pre-activations of each layer."""
        drives: list[Array] = []
        for stage in self._stages:
            drive = np.empty((stage.biases.size, x.shape[1]), self._precision)
            self._in_blocks(partial(_multiply_block, stage, x, drive), stage.blocks())
            drives.append(drive)
            x = np.asarray(stage.activation.value(drive), self._precision)
        return x, drives

    def gradient(self, drives: list[Array], seed: Array) -> Array:
        """(input, sample) of the outputs' sum weighted by ``seed`` (output, sample)."""
        for stage, drive in zip(reversed(self._stages), reversed(drives), strict=True):
            pull: Array = np.asarray(seed * stage.activation.derivative(drive), self._precision)
            first, *others = self._in_blocks(partial(_pull_block, stage, pull), stage.blocks())
            for other in others:
                first += other
            seed = first
        return seed

    def _in_blocks(
        self, task: Callable[[tuple[int, int]], Array], blocks: list[tuple[int, int]]
    ) -> list[Array]:
        """What the task makes of each block of rows, in their order."""
        if self._workers is None or len(blocks) == 1:
            return [task(block) for block in blocks]
        return list(self._workers.map(task, blocks))


def _multiply_block(stage: _Stage, x: Array, drive: Array, rows: tuple[int, int]) -> Array:
    first, last = rows
    part = drive[first:last]
    cells = stage.offsets[first : last + 1], stage.columns, stage.values
    _multiply_tile(*cells, stage.biases[first:last], x, part)
    return part


def _pull_block(stage: _Stage, pull: Array, rows: tuple[int, int]) -> Array:
    first, last = rows
    below = np.empty((stage.inputs, pull.shape[1]), pull.dtype)
    offsets = stage.offsets[first : last + 1]
    _multiply_tile_back(offsets, stage.columns, stage.values, pull[first:last], below)
    return below


def target_chain(
    network: Network,
    activation: Activation,
    precision: Precision = np.float64,
    workers: Executor | None = None,
) -> Chain:
    """The target."""
    last = len(network.layers) - 1
    stages = [
        _stage(
            from_dense(layer.weight),
            np.zeros(layer.outputs) if layer.bias is None else layer.bias,
            activation if number < last else IDENTITY,
        )
        for number, layer in enumerate(network.layers)
    ]
    return Chain(stages, precision, workers)


def _merge_carriers(layer: _Stage, above: _Stage) -> tuple[_Stage, _Stage]:
    """Let neurons phi(w x) of one x and one sign of w be one, where phi(w x) = |w| phi(+-x).

    A target unit is read through dozens of them, so that this leaves a fraction of the cells; real
    numbers stay what they are.
    """
    activation, inputs, height = layer.activation, layer.inputs, layer.biases.size
    counts = np.diff(layer.offsets)
    carries = (counts == 1) & (layer.biases == 0)
    exact = activation.piecewise_linear and activation.intercept == 0.0
    if not exact or 2 * np.count_nonzero(carries) < height:
        return layer, above
    rows = np.repeat(np.arange(height), counts)
    values = layer.values.astype(np.float64)
    column, weight = np.zeros(height, np.int64), np.ones(height)
    carried = carries[rows]
    column[rows[carried]] = layer.columns[carried]
    weight[rows[carried]] = values[carried]
    kinds = np.where(carries, 2 * column + (weight < 0), 2 * inputs + np.arange(height))
    kinds, place = np.unique(kinds, return_inverse=True)
    merged = kinds[kinds < 2 * inputs]
    biases = np.zeros(kinds.size)
    biases[place[~carries]] = layer.biases[~carries]
    below = from_entries(
        np.concatenate((np.arange(merged.size), place[rows[~carried]])),
        np.concatenate((merged // 2, layer.columns[~carried])),
        np.concatenate((1.0 - 2.0 * (merged % 2), values[~carried])),
        (kinds.size, inputs),
    )
    reads = _renamed(above, place, np.abs(weight), kinds.size)
    return _stage(below, biases, activation), _stage(reads, above.biases, above.activation)


def _renamed(
    layer: _Stage, place: NDArray[np.int64], weight: NDArray[np.float64], neurons: int
) -> SparseRows:
    """The layer's cells, reading ``place`` with ``weight``; those of one place add up."""
    cells = layer.offsets, layer.columns, layer.values, place, weight
    offsets = np.zeros(layer.offsets.size, np.int64)
    nothing = np.zeros(0, np.int32), np.zeros(0)
    _add_up(*cells, neurons, offsets, *nothing)
    np.cumsum(offsets, out=offsets)
    columns, values = np.empty(int(offsets[-1]), np.int32), np.empty(int(offsets[-1]))
    _add_up(*cells, neurons, offsets, columns, values)
    return SparseRows(offsets, columns, values, neurons)


@numba.njit(cache=True)
def _add_up(  # type: ignore[no-untyped-def]
    offsets, columns, values, place, weight, neurons, new_offsets, new_columns, new_values
):
    """Fill in the sums; where there is no room for them yet, count them in new_offsets[row + 1]."""
    sums, read = np.zeros(neurons), np.zeros(neurons, np.bool_)
    for row in range(offsets.size - 1):
        for cell in range(offsets[row], offsets[row + 1]):
            column = columns[cell]
            sums[place[column]] += values[cell] * weight[column]
            read[place[column]] = True
        entry = new_offsets[row]
        for neuron in range(neurons):
            if read[neuron]:
                if new_columns.size:
                    new_columns[entry], new_values[entry] = neuron, sums[neuron]
                    entry += 1
                else:
                    new_offsets[row + 1] += 1
                sums[neuron], read[neuron] = 0.0, False


def ticket_chain(
    layers: Sequence[CompactLayer],
    inputs: int,
    precision: Precision = np.float64,
    workers: Executor | None = None,
) -> Chain:
    """The ticket, its carriers merged; it reads ``inputs`` numbers."""
    stages = []
    for layer in layers:
        cells = layer.offsets, layer.columns, layer.values
        stages.append(_Stage(*cells, layer.biases, layer.activation, inputs))
        inputs = layer.biases.size
    for number in range(len(stages) - 1):
        stages[number : number + 2] = _merge_carriers(stages[number], stages[number + 1])
    return Chain(stages, precision, workers)
