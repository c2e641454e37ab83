"""The worst that parameters within their tolerances do to the outputs, so far as a search finds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.network import DenseLayer, Network
from ltengine.specification import InputSpecification

Reals = NDArray[np.floating[Any]]
Signs = tuple[Reals, Reals]
"""Directions of a layer's weights and biases."""


def trace(
    network: Network, activation: Activation, x: NDArray[np.float64]
) -> tuple[list[Reals], list[Reals]]:
    """Each layer's inputs and pre-activations for samples (sample, input)."""
    units: list[Reals] = [x]
    drives: list[Reals] = []
    for number, layer in enumerate(network.layers, start=1):
        bias = 0.0 if layer.bias is None else layer.bias
        drives.append(units[-1] @ layer.weight.T + bias)
        last = number == len(network.layers)
        units.append(drives[-1] if last else activation.value(drives[-1]))
    return units, drives


def perturbed(network: Network, tolerances: tuple[float, ...], signs: list[Signs]) -> Network:
    """Every nonzero parameter moved by its layer's tolerance, zeros left alone."""
    layers = []
    for layer, tolerance, (weight, bias) in zip(network.layers, tolerances, signs, strict=True):
        moved = layer.weight + tolerance * weight * (layer.weight != 0)
        moved_bias = None
        if layer.bias is not None:
            moved_bias = layer.bias + tolerance * bias * (layer.bias != 0)
        layers.append(DenseLayer(layer.name, moved, moved_bias))
    return Network(tuple(layers))


def gradient_signs(
    network: Network, activation: Activation, x: NDArray[np.float64], out: NDArray[np.float64]
) -> list[Signs]:
    """The direction in which each parameter raises ``out`` . outputs at the sample x."""
    units, drives = trace(network, activation, x[None])
    back = out
    signs = []
    for number in reversed(range(len(network.layers))):
        if number < len(network.layers) - 1:
            # a kink or a dead unit still passes a direction on, as a larger step would wake it
            back = back * np.maximum(activation.derivative(drives[number][0]), 1e-3)
        signs.append((np.sign(np.outer(back, units[number][0])), np.sign(back)))
        back = back @ network.layers[number].weight
    return signs[::-1]


def largest_error_found(
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    tolerances: tuple[float, ...],
    seed: int = 0,
) -> float:
    """L1 output error of an adversary that knows the inputs and aligns all signs."""
    rng = np.random.default_rng(seed)
    low, high = domain.normalised_low, domain.normalised_high
    corners = np.where(rng.random((12, network.inputs)) < 0.5, low, high)
    inside = rng.uniform(low, high, (12, network.inputs))
    x = np.concatenate((corners, inside, np.full((1, network.inputs), high)))
    outputs = network.layers[-1].outputs
    clean = trace(network, activation, x)[0][-1]
    worst = 0.0
    for sample in range(len(x)):
        for out in (np.ones(outputs), -np.ones(outputs), rng.choice([-1.0, 1.0], outputs)):
            signs = gradient_signs(network, activation, x[sample], out)
            moved = perturbed(network, tolerances, signs)
            errors = np.abs(trace(moved, activation, x)[0][-1] - clean).sum(axis=1)
            worst = max(worst, float(errors.max()))
    return worst
