"""The certificate: an upper bound on the ticket's output error over the whole input domain.

It covers the ticket as ``evaluation`` runs it, in single precision, against the target in exact
arithmetic. ``difference`` says what sets their neurons apart and ``enclosure`` bounds it, layer by
layer. A ``Certificate`` also holds the plain bounds, by norms alone, for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation, specified_activation
from ltengine.difference import (
    Difference,
    build_difference,
    copies_emission,
    input_emission,
    univariate_emission,
)
from ltengine.effective import input_meaning, live_neurons, next_meaning
from ltengine.enclosure import Enclosure, Interval
from ltengine.errors import Canceled
from ltengine.network import Network
from ltengine.progress import AskCancel, never_cancel
from ltengine.role import Role
from ltengine.sparse_network import LayerCells
from ltengine.sparse_rows import from_entries
from ltengine.specification import InputSpecification, Specification
from ltengine.ticket import Ticket

DOMAIN_SLACK = 2e-6
"""Relative: inputs are normalised in single precision, and data sets may be off by 1e-6."""


def input_bounds(domain: InputSpecification) -> tuple[float, float]:
    """Between these lies every normalised input that the engine accepts."""
    low, high = domain.normalised_low, domain.normalised_high
    slack = DOMAIN_SLACK * max(high - low, abs(low), abs(high))
    return low - slack, high + slack


def _differences(
    ticket: Ticket,
    network: Network,
    layers: Sequence[LayerCells],
    bounds: tuple[float, float],
    enclosure: Enclosure,
    cancel: AskCancel,
) -> list[Difference]:
    """Each target layer's difference; every hidden layer is taken into the enclosure."""
    meaning = input_meaning(ticket.inputs, *bounds)
    emission = input_emission(enclosure.below.supremum)
    found: list[Difference] = []
    for layer, cells, used in zip(ticket.layers, layers, live_neurons(ticket), strict=True):
        if cancel():
            raise Canceled
        above = next_meaning(layer, cells, meaning, used)
        if layer.role is Role.UNIVARIATE:
            emission = univariate_emission(layer, cells, above, emission)
        else:
            target = network.layers[layer.target_layer - 1]
            nonnegative = bool((enclosure.below.low >= 0).all())
            found.append(
                build_difference(
                    layer, cells, meaning, emission, used, target, nonnegative=nonnegative
                )
            )
            if len(found) < len(network.layers):
                supremum = enclosure.add_layer(target, found[-1])
                live = np.flatnonzero(used[: layer.first_constant])
                emission = copies_emission(layer, cells, above, emission, live, supremum)
        meaning = above
    return found


def _norm_products(
    network: Network, activation: Activation, differences: list[Difference], largest_input: float
) -> tuple[float, float]:
    """The bounds by norms alone, by largest column sums and by largest row sums."""
    size_row, size_column = largest_input, largest_input * network.inputs
    error_row = error_column = 0.0
    resting = abs(activation.intercept)
    for number, (target, difference) in enumerate(
        zip(network.layers, differences, strict=True), start=1
    ):
        steepest = activation.lipschitz if number < len(network.layers) else 1.0
        weight, epsilon = np.abs(target.weight), difference.parameters.largest
        passed = _largest_carries(network, differences, number)
        fan_in = int(np.count_nonzero(target.weight, axis=1).max())
        error_row = steepest * (passed.sum(1).max() * error_row + epsilon * (1 + fan_in * size_row))
        error_column = steepest * (
            passed.sum(0).max() * error_column + target.outputs * epsilon * (1 + size_column)
        )
        bias = np.zeros(1) if target.bias is None else np.abs(target.bias)
        size_row = steepest * (weight.sum(1).max() * size_row + bias.max()) + resting
        size_column = steepest * (weight.sum(0).max() * size_column + bias.sum())
        size_column += resting * target.outputs
    return float(error_column), float(error_row)


def _largest_carries(
    network: Network, differences: list[Difference], number: int
) -> NDArray[np.float64]:
    """(neuron, unit) the largest sum of |carry| that a copy of the neuron has from the unit."""
    target, difference = network.layers[number - 1], differences[number - 1]
    largest = np.zeros(target.weight.shape)
    if not difference.carries:
        return largest
    for part in difference.parts():
        if part.carry is None:
            continue
        unit = differences[number - 2].neurons[part.carry.columns]
        size = (part.carry.height, target.inputs)
        sums = from_entries(part.carry.rows(), unit, np.abs(part.carry.values), size)
        neurons = difference.neurons[part.rows]
        np.maximum.at(largest, (neurons[sums.rows()], sums.columns), sums.values)
    return largest


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proved about a ticket.

    Attributes:
        errors: (output,) upper bounds of |ticket - target| on the input domain.
        lipschitz_product: the bound by norms alone as Lemma 2.8 has it, with largest column sums,
            for this ticket's own parameter errors and links.
        row_sum_product: the same with largest row sums and the largest errors, usually smaller.
        largest_parameter_error: over all target parameters and copies.
        mean_parameter_error: over all copies of the target's nonzero parameters.
    """

    errors: NDArray[np.float64]
    lipschitz_product: float
    row_sum_product: float
    largest_parameter_error: float
    mean_parameter_error: float

    @property
    def largest(self) -> float:
        """The largest bound of an output."""
        return float(self.errors.max())


def issue_certificate(
    ticket: Ticket,
    network: Network,
    layers: Sequence[LayerCells],
    specification: Specification,
    *,
    cancel: AskCancel = never_cancel,
) -> Certificate:
    """Bound the error of a ticket that has passed verification.

    Raises:
        Canceled: ``cancel``, asked before each layer, said so.
    """
    bounds = low, high = input_bounds(specification.input)
    inputs = Interval(np.full(ticket.inputs, low), np.full(ticket.inputs, high))
    activation = specified_activation(specification)
    enclosure = Enclosure(inputs, activation)
    differences = _differences(ticket, network, layers, bounds, enclosure, cancel)
    if cancel():
        raise Canceled
    errors = enclosure.output_errors(differences[-1]).supremum
    count = sum(difference.parameters.count for difference in differences)
    return Certificate(
        errors,
        *_norm_products(network, activation, differences, float(inputs.supremum.max())),
        max(difference.parameters.largest for difference in differences),
        sum(difference.parameters.total for difference in differences) / max(count, 1),
    )


def certify(
    ticket: Ticket,
    network: Network,
    layers: Sequence[LayerCells],
    specification: Specification,
) -> NDArray[np.float64]:
    """(output,) an upper bound of |ticket - target| for every input in the domain.

    The ticket must have passed verification.
    """
    return issue_certificate(ticket, network, layers, specification).errors
