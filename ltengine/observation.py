"""The largest output error that is observed: on given inputs, and by a search over the domain.

The ticket runs in single precision, as users run it, and the target in double precision, so that
what is observed is the ticket's error and not the target's rounding. The search climbs |ticket -
target| by the signs of its gradient, from points of the domain and from inputs where the error is
large already; its steps shrink from the width of the domain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.evaluation import CompactLayer, compact, evaluate_ticket
from ltengine.network import Network
from ltengine.progress import AskCancel, never_cancel
from ltengine.randomness import random_words
from ltengine.source import uniform_from_words
from ltengine.sparse_network import SparseLayer
from ltengine.specification import InputSpecification

Array = NDArray[np.float64]

SEARCH_STREAM = 1 << 16
"""Random words for starting points; no cell of a source has this stream."""
PARALLEL_PRODUCTS = 1 << 27
"""Fewer are done before threads have met, on a busy machine."""
STARTS, STEPS = 24, 32
DECAY = 0.85
"""Each step is this times as long as the one before."""


@dataclass(frozen=True, slots=True)
class LargestError:
    """Where |ticket - target| was found largest.

    Attributes:
        error: there, over all outputs.
        input: (input,) normalised, in the domain.
        output: which output it is.
    """

    error: float
    input: NDArray[np.float32]
    output: int


@dataclass(frozen=True, slots=True)
class _Transposed:
    """A compact layer's cells by column."""

    offsets: NDArray[np.int64]
    rows: NDArray[np.int64]
    values: NDArray[np.float32]


def _add_products(offsets, places, values, x, y):  # type: ignore[no-untyped-def]
    """y[n, s] += sum over n's cells of value * x[place, s], in double precision."""
    for n in numba.prange(y.shape[0]):
        for cell in range(offsets[n], offsets[n + 1]):
            value = np.float64(values[cell])
            place = places[cell]
            for s in range(x.shape[1]):
                y[n, s] += value * x[place, s]


_add_serially = numba.njit(cache=True)(_add_products)
_add_in_parallel = numba.njit(parallel=True, cache=True)(_add_products)


def _sums(
    offsets: NDArray[np.int64], places: NDArray[np.int64], values: NDArray[np.float32], x: Array
) -> Array:
    y = np.zeros((offsets.size - 1, x.shape[1]))
    large = values.size * x.shape[1] >= PARALLEL_PRODUCTS
    (_add_in_parallel if large else _add_serially)(offsets, places, values, x, y)
    return y


def _transpose(layer: CompactLayer, inputs: int) -> _Transposed:
    order = np.argsort(layer.columns, kind="stable")
    rows = np.repeat(np.arange(layer.biases.size), np.diff(layer.offsets))
    counts = np.bincount(layer.columns, minlength=inputs)
    return _Transposed(np.concatenate(([0], np.cumsum(counts))), rows[order], layer.values[order])


@dataclass(frozen=True, slots=True)
class _Walk:
    """ticket - target at some samples, and the pre-activations of both networks' layers."""

    difference: Array
    drives: list[Array]
    target_drives: list[Array]


class _Difference:
    """ticket - target and its gradient, in double precision; samples are columns."""

    def __init__(
        self, layers: tuple[CompactLayer, ...], network: Network, activation: Activation
    ) -> None:
        self._layers, self._network, self._activation = layers, network, activation
        widths = (network.inputs, *(layer.biases.size for layer in layers))
        self._transposed = [
            _transpose(layer, width) for layer, width in zip(layers, widths, strict=False)
        ]

    def _ticket(self, x: Array) -> tuple[Array, list[Array]]:
        drives = []
        for layer in self._layers:
            y = _sums(layer.offsets, layer.columns, layer.values, x)
            drives.append(y + layer.biases.astype(np.float64)[:, None])
            x = np.asarray(layer.activation.value(drives[-1]))
        return x, drives

    def _target(self, x: Array) -> tuple[Array, list[Array]]:
        drives: list[Array] = []
        for layer in self._network.layers:
            if drives:
                x = np.asarray(self._activation.value(drives[-1]))
            bias = 0.0 if layer.bias is None else layer.bias[:, None]
            drives.append(layer.weight @ x + bias)
        return drives[-1], drives

    def at(self, x: Array) -> _Walk:
        """Both networks at x (input, sample)."""
        ticket, drives = self._ticket(x)
        target, target_drives = self._target(x)
        return _Walk(ticket - target, drives, target_drives)

    def gradient(self, walk: _Walk, outputs: NDArray[np.int64], signs: Array) -> Array:
        """(input, sample) the gradient of each sample's sign * difference[output]."""
        seed = np.zeros(walk.difference.shape)
        seed[outputs, np.arange(outputs.size)] = signs
        gradient = seed
        for layer, cells, drive in zip(
            reversed(self._layers), reversed(self._transposed), reversed(walk.drives), strict=True
        ):
            gradient = gradient * layer.activation.derivative(drive)
            gradient = _sums(cells.offsets, cells.rows, cells.values, gradient)
        pull = self._network.layers[-1].weight.T @ seed
        for target_layer, drive in zip(
            reversed(self._network.layers[:-1]), reversed(walk.target_drives[:-1]), strict=True
        ):
            pull = target_layer.weight.T @ (pull * self._activation.derivative(drive))
        return gradient - pull


def output_errors(
    layers: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    inputs: NDArray[np.float32],
) -> Array:
    """(sample, output) |ticket - target| of normalised inputs (sample, input)."""
    target = network.evaluate(inputs.astype(np.float64), activation)
    return np.asarray(np.abs(evaluate_ticket(layers, inputs) - target), np.float64)


def largest_error(
    layers: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    inputs: NDArray[np.float32],
) -> LargestError:
    """The largest error on given normalised inputs (sample, input), at least one."""
    errors = output_errors(layers, network, activation, inputs)
    sample, output = np.unravel_index(int(errors.argmax()), errors.shape)
    return LargestError(float(errors.max()), inputs[sample], int(output))


def starting_points(domain: InputSpecification, inputs: int, starts: int, seed: int) -> Array:
    """(input, start) points of the domain: random corners and random inner points in turn."""
    words = random_words(seed, SEARCH_STREAM, 0, np.arange(starts), np.arange(inputs)[:, None])
    share = uniform_from_words(words) / 2 + 0.5
    share[:, ::2] = np.round(share[:, ::2])
    low, high = domain.normalised_low, domain.normalised_high
    return low + share * (high - low)


def search_largest_error(
    layers: tuple[SparseLayer, ...],
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
    seed: int = 0,
    also_from: NDArray[np.float32] | None = None,
    cancel: AskCancel = never_cancel,
) -> LargestError:
    """Search the domain for the input with the largest error.

    Args:
        layers: the ticket's cells.
        network: the target.
        activation: between its layers.
        domain: raw inputs' range and normalisation.
        starts: points of the domain to start from.
        steps: of each search.
        seed: of the starting points.
        also_from: (sample, input) normalised inputs to start from as well.
        cancel: asked before each step; the search then ends with what it has found.
    """
    small = compact(layers)
    difference = _Difference(small, network, activation)
    low, high = domain.normalised_low, domain.normalised_high
    x = starting_points(domain, network.inputs, starts, seed)
    given = np.zeros((network.inputs, 0)) if also_from is None else also_from.T.astype(np.float64)
    x = np.concatenate((x, np.clip(given, low, high)), axis=1)
    outputs, signs = _aims(difference.at(x).difference, starts)
    best, best_error = x, np.full(x.shape[1], -1.0)
    for step in range(steps + 1):
        if cancel():
            break
        walk = difference.at(x)
        error = np.abs(walk.difference).max(0)
        better = error > best_error
        best_error = np.where(better, error, best_error)
        best = np.where(better, x, best)
        length = (high - low) * DECAY**step
        x = np.clip(x + length * np.sign(difference.gradient(walk, outputs, signs)), low, high)
    return largest_error(small, network, activation, best.T.astype(np.float32))


def _aims(difference: Array, starts: int) -> tuple[NDArray[np.int64], Array]:
    """(sample,) which output each search drives away, and to which side.

    Searches from points of the domain take outputs and sides in turn; those from given inputs take
    what is worst there.
    """
    outputs = np.abs(difference).argmax(0)
    signs = np.sign(difference[outputs, np.arange(outputs.size)])
    number = np.arange(starts)
    outputs[:starts] = number % difference.shape[0]
    signs[:starts] = 1.0 - 2.0 * (number // difference.shape[0] % 2)
    return outputs, signs
