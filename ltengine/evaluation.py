"""Running a ticket on data: a sparse product over its own cells, never the target's weights."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.sparse_network import SparseLayer

SAMPLES_PER_TILE = 256
"""A tile's activations of one layer should stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class CompactLayer:
    """A sparse layer on the neurons that are used, in single precision.

    Attributes:
        offsets: (neuron + 1,) int64.
        columns: (cell,) int64 into the compact layer below.
        values: (cell,) float32.
        biases: (neuron,) float32.
        activation: after the sum.
    """

    offsets: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float32]
    biases: NDArray[np.float32]
    activation: Activation


def compact(layers: tuple[SparseLayer, ...]) -> tuple[CompactLayer, ...]:
    """Drop the neurons that nothing reads; the last layer keeps all of its own."""
    result: list[CompactLayer] = []
    keep = np.arange(layers[-1].width)
    for number in range(len(layers) - 1, -1, -1):
        layer = layers[number]
        counts = np.diff(layer.offsets)[keep]
        kept = np.zeros(layer.width, dtype=np.bool_)
        kept[keep] = True
        inside = kept[layer.rows]
        columns = layer.columns[inside]
        # the first layer reads the inputs themselves, all of them in place
        below = np.unique(columns) if number else np.arange(int(columns.max(initial=0)) + 1)
        result.append(
            CompactLayer(
                np.concatenate(([0], np.cumsum(counts))),
                np.searchsorted(below, columns),
                layer.values[inside].astype(np.float32),
                layer.biases[keep].astype(np.float32),
                layer.activation,
            )
        )
        keep = below
    return tuple(reversed(result))


@numba.njit(parallel=True, cache=True)
def _multiply(offsets, columns, values, biases, x, y):  # type: ignore[no-untyped-def]
    """y[neuron, sample] = bias + sum over the neuron's cells of value * x[column, sample].

    Four cells at a time, so that a sum is loaded and stored once for four products.
    """
    samples = x.shape[1]
    for row in numba.prange(y.shape[0]):
        out = y[row]
        for s in range(samples):
            out[s] = biases[row]
        c, last = offsets[row], offsets[row + 1]
        while c + 4 <= last:
            v0, v1, v2, v3 = values[c], values[c + 1], values[c + 2], values[c + 3]
            x0, x1 = x[columns[c]], x[columns[c + 1]]
            x2, x3 = x[columns[c + 2]], x[columns[c + 3]]
            for s in range(samples):
                out[s] += (v0 * x0[s] + v1 * x1[s]) + (v2 * x2[s] + v3 * x3[s])
            c += 4
        while c < last:
            v0, x0 = values[c], x[columns[c]]
            for s in range(samples):
                out[s] += v0 * x0[s]
            c += 1


def evaluate_ticket(
    layers: tuple[CompactLayer, ...], inputs: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(sample, output) of normalised inputs (sample, input)."""
    outputs = np.empty((inputs.shape[0], layers[-1].biases.size), np.float32)
    for begin in range(0, inputs.shape[0], SAMPLES_PER_TILE):
        x = np.ascontiguousarray(inputs[begin : begin + SAMPLES_PER_TILE].T)
        for layer in layers:
            y = np.empty((layer.biases.size, x.shape[1]), np.float32)
            _multiply(layer.offsets, layer.columns, layer.values, layer.biases, x, y)
            x = layer.activation.value(y)
        outputs[begin : begin + SAMPLES_PER_TILE] = x.T
    return outputs


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of a data set, 0 to 1.

    Attributes:
        target: labels that the target predicts.
        ticket: labels that the ticket predicts.
        agreement: samples on which both predict the same class.
        samples: how many.
    """

    target: float
    ticket: float
    agreement: float
    samples: int


def compare_predictions(
    target_outputs: NDArray[np.floating],
    ticket_outputs: NDArray[np.floating],
    labels: NDArray[np.int64],
) -> Accuracy:
    """Accuracy of both networks, and how often they say the same."""
    target, ticket = target_outputs.argmax(1), ticket_outputs.argmax(1)
    return Accuracy(
        float(np.mean(target == labels)),
        float(np.mean(ticket == labels)),
        float(np.mean(target == ticket)),
        int(labels.size),
    )
