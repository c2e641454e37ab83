"""The certificate: an upper bound on the ticket's output error over the whole input domain.

It covers the ticket as ``evaluation`` runs it, in single precision, against the target in exact
arithmetic. ``difference`` says what sets their neurons apart and ``enclosure`` bounds it, layer by
layer. A ``Certificate`` also holds the plain bounds, by norms alone, for comparison.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation, specified_activation
from ltengine.copy_bounds import CopyBounds, Interval, join_bounds
from ltengine.difference import Difference, Links, ParameterErrors, join_errors, join_links
from ltengine.effective import Meaning, input_meaning, live_copies, live_neurons, next_meaning
from ltengine.emission import Emission, copies_emission, input_emission, univariate_emission
from ltengine.enclosure import Enclosure
from ltengine.errors import Canceled
from ltengine.linear_function import LinearFunction, Passed, pass_on
from ltengine.network import Network
from ltengine.progress import AskCancel, never_cancel
from ltengine.role import Role
from ltengine.sparse_network import LayerCells
from ltengine.specification import InputSpecification, Specification
from ltengine.ticket import Ticket

DOMAIN_SLACK = 2e-6
"""Relative: inputs are normalised in single precision, and data sets may be off by 1e-6."""


def input_bounds(domain: InputSpecification) -> tuple[float, float]:
    """Between these lies every normalised input that the engine accepts."""
    low, high = domain.normalised_low, domain.normalised_high
    slack = DOMAIN_SLACK * max(high - low, abs(low), abs(high))
    return low - slack, high + slack


def _norm_products(
    network: Network,
    activation: Activation,
    errors: list[ParameterErrors],
    links: list[Links],
    largest_input: float,
) -> tuple[float, float]:
    """The bounds by norms alone, by largest column sums and by largest row sums."""
    size_row, size_column = largest_input, largest_input * network.inputs
    error_row = error_column = 0.0
    resting = abs(activation.intercept)
    for number, (target, found, passed) in enumerate(
        zip(network.layers, errors, links, strict=True), start=1
    ):
        steepest = activation.lipschitz if number < len(network.layers) else 1.0
        weight, epsilon = np.abs(target.weight), found.largest
        column = float(passed.columns.max(initial=0.0))
        fan_in = int(np.count_nonzero(target.weight, axis=1).max())
        error_row = steepest * (passed.row * error_row + epsilon * (1 + fan_in * size_row))
        error_column = steepest * (
            column * error_column + target.outputs * epsilon * (1 + size_column)
        )
        bias = np.zeros(1) if target.bias is None else np.abs(target.bias)
        size_row = steepest * (weight.sum(1).max() * size_row + bias.max()) + resting
        size_column = steepest * (weight.sum(0).max() * size_column + bias.sum())
        size_column += resting * target.outputs
    return float(error_column), float(error_row)


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


@dataclass(frozen=True, slots=True)
class _Reached:
    """How far the walk up a ticket has come: the last layer's meaning and what it emits."""

    meaning: Meaning
    emission: Emission


class CertifiedLayers:
    """A ticket that has passed verification, on its way to a certificate, from the inputs up.

    Each hidden layer of copies is bounded and then added; the bounds of its copies can be had some
    at a time, by anybody who knows those of the layers below.
    """

    def __init__(
        self,
        ticket: Ticket,
        network: Network,
        layers: Sequence[LayerCells],
        specification: Specification,
    ) -> None:
        low, high = input_bounds(specification.input)
        self._inputs = Interval(np.full(ticket.inputs, low), np.full(ticket.inputs, high))
        self._network = network
        self._activation = specified_activation(specification)
        self._layers = list(zip(ticket.layers, layers, live_neurons(ticket), strict=True))
        self._place = 0
        copies = [
            live_copies(layer, used).size
            for layer, _, used in self._layers
            if layer.role is Role.COPIES
        ]
        self.enclosure = Enclosure(self._inputs, self._activation, copies[:-1])
        self._reached = _Reached(
            input_meaning(ticket.inputs, low, high), input_emission(self._inputs.supremum)
        )
        self.next = self._next_difference()

    @property
    def at_outputs(self) -> bool:
        """Whether all hidden layers are added, so that ``next`` is the last one."""
        return self.next.layer.target_layer == len(self._network.layers)

    def _next_difference(self) -> Difference:
        """Go up to the next layer of copies."""
        layer, cells, used = self._layers[self._place]
        while layer.role is Role.UNIVARIATE:
            before = self._reached
            above = next_meaning(layer, cells, before.meaning, used)
            emission = univariate_emission(layer, cells, above, before.emission)
            self._reached = _Reached(above, emission)
            self._place += 1
            layer, cells, used = self._layers[self._place]
        return Difference(
            layer,
            cells,
            self._reached.meaning,
            self._reached.emission,
            live_copies(layer, used),
            self._network.layers[layer.target_layer - 1],
            nonnegative=bool((self.enclosure.below.low >= 0).all()),
        )

    def bound_next(self, first: int = 0, last: int | None = None) -> CopyBounds:
        """Bounds of the next hidden layer's copies, or of live ones first ... last - 1 alone."""
        height = self.next.live.size
        parts = self.next.parts() if last is None else self.next.parts_between(first, last)
        return join_bounds([self.enclosure.bound(part, height) for part in parts])

    def add(self, bounds: CopyBounds) -> None:
        """Add the next hidden layer, given the bounds of all its copies."""
        supremum = self.enclosure.add_layer(self.next, bounds)
        layer, cells, used = self._layers[self._place]
        before = self._reached
        above = next_meaning(layer, cells, before.meaning, used)
        emission = copies_emission(layer, cells, above, before.emission, self.next.live, supremum)
        self._reached = _Reached(above, emission)
        self._place += 1
        self.next = self._next_difference()

    def output_functions(self) -> list[LinearFunction] | None:
        """The outputs' errors as functions of the last layer; None where that is too much work."""
        if not self.enclosure.affordable(self.next.live.size):
            return None
        return self.enclosure.output_functions(self.next)

    def pass_on(
        self, functions: Sequence[LinearFunction], number: int, first: int, last: int
    ) -> list[Passed | None]:
        """What live copies first ... last - 1 of hidden layer ``number`` (from 1) become.

        All functions are of that layer.
        """
        copies = self.enclosure.copies[number - 1]
        parts = copies.difference.parts_between(first, last)
        return pass_on(functions, copies, parts, first=number == 1)

    def certificate(self, functions: Iterable[LinearFunction] | None) -> Certificate:
        """The certificate, given the output functions expressed by the inputs."""
        errors = self.enclosure.output_errors(self.next, functions)
        hidden, last = [each.bounds for each in self.enclosure.copies], list(self.next.parts())
        found = [*(each.errors for each in hidden), join_errors(part.errors for part in last)]
        links = [*(each.links for each in hidden), join_links(part.links for part in last)]
        largest_input = float(self._inputs.supremum.max())
        parameters = join_errors(found)
        return Certificate(
            errors,
            *_norm_products(self._network, self._activation, found, links, largest_input),
            parameters.largest,
            parameters.total / max(parameters.count, 1),
        )


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
    walk = CertifiedLayers(ticket, network, layers, specification)
    while not walk.at_outputs:
        if cancel():
            raise Canceled
        walk.add(walk.bound_next())
    if cancel():
        raise Canceled
    functions = walk.output_functions()
    return walk.certificate(None if functions is None else walk.enclosure.at_inputs(functions))


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
