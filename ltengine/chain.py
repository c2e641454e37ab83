"""A network and its gradient in double precision, sparse, for a tile of samples at a time.

Ticket and target become chains of one kind. What a search has no need of is left out: neurons that
only carry a target's unit are merged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import IDENTITY, Activation
from ltengine.evaluation import TILE_BYTES, CompactLayer, multiply_tile
from ltengine.network import Network
from ltengine.sparse_rows import SparseRows, from_dense, from_entries

Array = NDArray[np.float64]

SAMPLES_PER_TILE = TILE_BYTES // 8


@dataclass(frozen=True, slots=True)
class _Stage:
    """A layer in double precision, and its cells by column for the way back."""

    cells: SparseRows
    back: SparseRows
    biases: Array
    activation: Activation


def _stage(cells: SparseRows, biases: Array, activation: Activation) -> _Stage:
    return _Stage(cells, cells.transposed(), biases, activation)


def _product(cells: SparseRows, biases: Array, x: Array) -> Array:
    y = np.empty((cells.height, SAMPLES_PER_TILE))
    multiply_tile(cells.offsets, cells.columns, cells.values, biases, x, y)
    return y


class Chain:
    """A network and its gradient; samples are columns, SAMPLES_PER_TILE of them."""

    def __init__(self, stages: list[_Stage]) -> None:
        self._stages = stages

    @property
    def widths(self) -> tuple[int, ...]:
        """Neurons of each layer."""
        return tuple(stage.biases.size for stage in self._stages)

    def outputs(self, x: Array) -> tuple[Array, list[Array]]:
        """(output, sample), and the pre-activations of each layer."""
        drives = []
        for stage in self._stages:
            drives.append(_product(stage.cells, stage.biases, x))
            x = np.asarray(stage.activation.value(drives[-1]))
        return x, drives

    def gradient(self, drives: list[Array], seed: Array) -> Array:
        """(input, sample) of the outputs' sum weighted by ``seed`` (output, sample)."""
        for stage, drive in zip(reversed(self._stages), reversed(drives), strict=True):
            pull = seed * stage.activation.derivative(drive)
            seed = _product(stage.back, np.zeros(stage.back.height), pull)
        return seed


def target_chain(network: Network, activation: Activation) -> Chain:
    """The target."""
    last = len(network.layers) - 1
    return Chain(
        [
            _stage(
                from_dense(layer.weight),
                np.zeros(layer.outputs) if layer.bias is None else layer.bias,
                activation if number < last else IDENTITY,
            )
            for number, layer in enumerate(network.layers)
        ]
    )


@dataclass(frozen=True, slots=True)
class _Cells:
    """A layer's cells in any order."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Array
    biases: Array
    activation: Activation


def _merge_carriers(layer: _Cells, above: _Cells, inputs: int) -> tuple[_Cells, _Cells]:
    """Let neurons phi(w x) of one x and one sign of w be one, where phi(w x) = |w| phi(+-x).

    A target unit is read through dozens of them, so that this leaves a fraction of the cells; real
    numbers stay what they are.
    """
    activation, height = layer.activation, layer.biases.size
    counts = np.bincount(layer.rows, minlength=height)
    carries = (counts == 1) & (layer.biases == 0)
    if not (activation.piecewise_linear and activation.intercept == 0.0):
        carries[:] = False
    column, weight = np.zeros(height, np.int64), np.ones(height)
    carried = carries[layer.rows]
    column[layer.rows[carried]] = layer.columns[carried]
    weight[layer.rows[carried]] = layer.values[carried]
    kinds = np.where(carries, 2 * column + (weight < 0), 2 * inputs + np.arange(height))
    kinds, place = np.unique(kinds, return_inverse=True)
    merged = kinds[kinds < 2 * inputs]
    biases = np.zeros(kinds.size)
    biases[place[~carries]] = layer.biases[~carries]
    below = _Cells(
        np.concatenate((np.arange(merged.size), place[layer.rows[~carried]])),
        np.concatenate((merged // 2, layer.columns[~carried])),
        np.concatenate((1.0 - 2.0 * (merged % 2), layer.values[~carried])),
        biases,
        activation,
    )
    values = above.values * np.abs(weight)[above.columns]
    return below, _Cells(above.rows, place[above.columns], values, above.biases, above.activation)


def ticket_chain(layers: Sequence[CompactLayer], inputs: int) -> Chain:
    """The ticket, its carriers merged; it reads ``inputs`` numbers."""
    cells = [
        _Cells(
            np.repeat(np.arange(layer.biases.size), np.diff(layer.offsets)),
            layer.columns.astype(np.int64),
            layer.values.astype(np.float64),
            layer.biases.astype(np.float64),
            layer.activation,
        )
        for layer in layers
    ]
    stages = []
    for number in range(len(cells)):
        if number + 1 < len(cells):
            pair = _merge_carriers(cells[number], cells[number + 1], inputs)
            cells[number : number + 2] = pair
        layer = cells[number]
        shape = (layer.biases.size, inputs)
        rows = from_entries(layer.rows, layer.columns, layer.values, shape)
        stages.append(_stage(rows, layer.biases, layer.activation))
        inputs = layer.biases.size
    return Chain(stages)
