"""Running a ticket on data: a sparse product over its own cells, never the target's weights.

Samples go through all layers in tiles of two registers' lanes, so that a row's sums never leave the
registers and the values of the neurons that a few rows read stay in the processor's cache. Threads
share the tiles, and no result depends on which thread took which.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.lanes import REGISTER_BYTES, add_product, fill, store
from ltengine.network import Network
from ltengine.sparse_network import LayerCells, spans

TILE_BYTES = 2 * REGISTER_BYTES
SAMPLES_PER_TILE = TILE_BYTES // 4
CELLS_PER_CHUNK = 1 << 21
"""Drawn at once, at some 16 bytes each."""
SAMPLES_PER_BATCH = 1000
"""The target is evaluated on this many at once."""


@dataclass(frozen=True, slots=True)
class CompactLayer:
    """A sparse layer on the neurons that are used, in single precision.

    Attributes:
        neurons: (neuron,) int64, the rows of the source that are used.
        offsets: (neuron + 1,) int64.
        columns: (cell,) int32 into the compact layer below.
        values: (cell,) float32.
        biases: (neuron,) float32.
        activation: after the sum.
    """

    neurons: NDArray[np.int64]
    offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    values: NDArray[np.float32]
    biases: NDArray[np.float32]
    activation: Activation


def compact(layers: Sequence[LayerCells]) -> tuple[CompactLayer, ...]:
    """Drop the neurons that nothing reads; the last layer keeps all of its own."""
    result: list[CompactLayer] = []
    keep = np.arange(layers[-1].biases.size)
    for number in range(len(layers) - 1, -1, -1):
        layer = layers[number]
        counts = np.diff(layer.offsets)[keep]
        offsets = np.concatenate(([0], np.cumsum(counts)))
        columns, values = _kept_cells(layer, keep, int(offsets[-1]))
        below, place = _places(columns, all_of_them=number == 0)
        _rename(place, columns)
        result.append(
            CompactLayer(
                keep,
                offsets,
                columns,
                values,
                layer.biases[keep].astype(np.float32),
                layer.activation,
            )
        )
        keep = below
    return tuple(reversed(result))


def _kept_cells(
    layer: LayerCells, keep: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Columns and values of the cells of some rows, drawn some rows at a time."""
    kept = np.zeros(layer.biases.size, dtype=np.bool_)
    kept[keep] = True
    columns, values = np.empty(count, np.int32), np.empty(count, np.float32)
    begin = 0
    for first, last in spans(layer.offsets, CELLS_PER_CHUNK):
        part = layer.between(first, last)
        own = int(np.diff(part.offsets)[kept[first:last]].sum())
        # the rows that are dropped keep no cells, but in a ticket that is not valid
        inside = slice(None) if own == part.columns.size else kept[first:last][part.rows]
        end = begin + own
        columns[begin:end], values[begin:end] = part.columns[inside], part.values[inside]
        begin = end
    return columns, values


@numba.njit(cache=True)
def _rename(place, columns):  # type: ignore[no-untyped-def]
    """Numpy's own would first widen every column to eight bytes."""
    for cell in range(columns.size):
        columns[cell] = place[columns[cell]]


def _places(
    columns: NDArray[np.int32], *, all_of_them: bool
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The neurons that are read, and (neuron,) the place of each among them.

    The first layer reads the inputs themselves, ``all_of_them`` in place.
    """
    read = np.full(int(columns.max(initial=0)) + 1, all_of_them)
    read[columns] = True
    return np.flatnonzero(read), (np.cumsum(read) - 1).astype(np.int32)


@numba.njit(nogil=True, cache=True)
def multiply_tile(offsets, columns, values, biases, x, y):  # type: ignore[no-untyped-def]
    """y[row] = biases[row] + sum over the row's cells of value * x[column], lane by lane.

    The rows of x and y are TILE_BYTES long.
    """
    tile = x.shape[1]
    half = tile // 2
    for row in range(y.shape[0]):
        left = fill(x.dtype.type(biases[row]))
        right = left
        for cell in range(offsets[row], offsets[row + 1]):
            place = np.intp(columns[cell]) * tile
            value = x.dtype.type(values[cell])
            left = add_product(left, value, x, place)
            right = add_product(right, value, x, place + half)
        store(left, y, row * tile)
        store(right, y, row * tile + half)


def _evaluate_tile(
    layers: tuple[CompactLayer, ...], inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(sample, output) of at most a tile's samples."""
    x = np.zeros((inputs.shape[1], SAMPLES_PER_TILE), np.float32)
    x[:, : inputs.shape[0]] = inputs.T
    for layer in layers:
        y = np.empty((layer.biases.size, SAMPLES_PER_TILE), np.float32)
        multiply_tile(layer.offsets, layer.columns, layer.values, layer.biases, x, y)
        x = layer.activation.value(y)
    return x[:, : inputs.shape[0]].T


def evaluate_ticket(
    layers: tuple[CompactLayer, ...], inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(sample, output) of normalised inputs (sample, input)."""
    outputs = np.empty((inputs.shape[0], layers[-1].biases.size), np.float32)

    def fill_in(begin: int) -> None:
        tile = slice(begin, begin + SAMPLES_PER_TILE)
        outputs[tile] = _evaluate_tile(layers, inputs[tile])

    begins = range(0, inputs.shape[0], SAMPLES_PER_TILE)
    with ThreadPoolExecutor(numba.get_num_threads()) as threads:
        for _ in threads.map(fill_in, begins):
            pass  # raises what a tile has raised
    return outputs


def evaluate_target(
    network: Network, activation: Activation, inputs: NDArray[np.float32]
) -> NDArray[np.float64]:
    """(sample, output) of normalised inputs (sample, input), in double precision."""
    outputs = np.empty((inputs.shape[0], network.layers[-1].outputs))
    for begin in range(0, inputs.shape[0], SAMPLES_PER_BATCH):
        batch = slice(begin, begin + SAMPLES_PER_BATCH)
        outputs[batch] = network.evaluate(inputs[batch].astype(np.float64), activation)
    return outputs


@dataclass(frozen=True, slots=True)
class Predictions:
    """How often two networks are right, and agree, on some samples; parts of a data set add up.

    Attributes:
        target_right: labels that the target predicts.
        ticket_right: labels that the ticket predicts.
        agreed: samples on which both predict the same class.
        samples: how many.
    """

    target_right: int
    ticket_right: int
    agreed: int
    samples: int

    def __add__(self, other: Predictions) -> Predictions:
        return Predictions(
            self.target_right + other.target_right,
            self.ticket_right + other.ticket_right,
            self.agreed + other.agreed,
            self.samples + other.samples,
        )

    @property
    def target(self) -> float:
        """The target's accuracy, 0 to 1."""
        return self.target_right / self.samples

    @property
    def ticket(self) -> float:
        """The ticket's accuracy, 0 to 1."""
        return self.ticket_right / self.samples

    @property
    def agreement(self) -> float:
        """The share of samples on which they agree, 0 to 1."""
        return self.agreed / self.samples

    def describe(self) -> dict[str, float | int]:
        """JSON data."""
        return {
            "target": self.target,
            "ticket": self.ticket,
            "agreement": self.agreement,
            "samples": self.samples,
        }


def compare_predictions(
    target_outputs: NDArray[np.floating],
    ticket_outputs: NDArray[np.floating],
    labels: NDArray[np.int64],
) -> Predictions:
    """How often both networks are right, and how often they say the same."""
    target, ticket = target_outputs.argmax(1), ticket_outputs.argmax(1)
    return Predictions(
        int(np.count_nonzero(target == labels)),
        int(np.count_nonzero(ticket == labels)),
        int(np.count_nonzero(target == ticket)),
        int(labels.size),
    )
