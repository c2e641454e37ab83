"""What the neurons of a source layer emit, as the layer above sees it: copies, and noise.

Noise is what has no sign of its own: rounding in single precision, as ``evaluation`` computes, and
activations of univariate neurons that are only nearly linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.effective import Meaning
from ltengine.sparse_network import LayerCells
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
        units: (copy,) the target neuron that each live copy is one of.
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
    units: NDArray[np.int64]

    @property
    def copies(self) -> int:
        """How many live copies there are."""
        return int(self.units.size)


def _plain(
    copy: NDArray[np.int64], units: NDArray[np.int64], supremum: Array, noise: Array
) -> Emission:
    ones, nothing = np.ones(copy.size), np.zeros(copy.size)
    return Emission(copy, ones, ones, supremum, noise, nothing, nothing, nothing, copy, units)


def input_emission(supremum: Array) -> Emission:
    """The inputs are exact."""
    nothing = np.zeros(0, np.int64)
    return _plain(np.full(supremum.size, NO_COPY), nothing, supremum, np.zeros(supremum.size))


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
    return _plain(copy, live // layer.block_size, largest, noise)


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
        below.units,
    )
