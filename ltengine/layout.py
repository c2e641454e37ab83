"""Laying out the source network for a target: pure index arithmetic, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import IDENTITY, Activation
from ltengine.budget import unit_suprema
from ltengine.carrier import (
    LARGEST_CELL,
    SignRule,
    carrier_activation,
    carrier_block_size,
    carrier_exponent,
    choose_sign_rule,
    expect_always_on,
)
from ltengine.errors import SpecificationError
from ltengine.intercept import counterweights
from ltengine.network import DenseLayer, Network
from ltengine.plan import BaseSetSize, LayerPlan, Plan, Requirement
from ltengine.problem import fixed_point_tolerance
from ltengine.role import Role
from ltengine.source import Pairing
from ltengine.specification import Specification

SPARE_WEIGHTS = 12
SPARE_PRODUCTS = 36
"""Spare candidates beyond each base set, offered to the problems that it cannot solve.

For |z| = 1 each further variable cuts the failure probability by e^-0.54 (uniform) or e^-0.30
(products of two uniforms), so these cut it 650 or 49,000 times. Spares cost width, never links."""
CONSTANTS_OF_A_SINGLE_COPY_LAYER = 4
SMALLEST_USABLE_SHARE = 0.02
"""Of always-on neurons; below it a unit would need thousands of neurons."""
LEAST_UNITS = 16
"""A tolerance of fewer units of the problems' grid would be felt as rounding."""
CHAINED_EXPONENT = 1
"""A further carrier's weight is half as large as 1 on average: doubling keeps the chain's reach."""
REACH_OF_WEIGHTS = 1.6
REACH_OF_PRODUCTS = 1.0
"""Largest |target| offered to a base set; larger layers are scaled down by lambda_l.

Reach, not resolution, limits large targets; but scaling down tightens the tolerance of the whole
layer and costs links everywhere, while the few large targets can be left to the spares."""


def fixed_base_set(specification: Specification, *, products: bool) -> BaseSetSize:
    """The spec's own numbers with the standard spares.

    Raises:
        SpecificationError: the spec leaves the choice to the statistics.
    """
    given = specification.base_set
    if isinstance(given, str):
        raise SpecificationError(
            [{"pointer": "/base_set", "code": "NOT_RESOLVED", "detail": "not resolved"}]
        )
    spare = SPARE_PRODUCTS if products else SPARE_WEIGHTS
    return BaseSetSize(given.size, given.size + spare, given.largest_subset)


def carried_layers(network: Network, specification: Specification) -> frozenset[int]:
    """Target layers (from 1) that are built from univariate carriers.

    Extra depth goes where it saves most: carrying a layer spares the copies of the one before it.

    Raises:
        SpecificationError: the depth cannot be had.
    """
    depth = len(network.layers)
    if specification.construction == "2L":
        return frozenset(range(1, depth + 1))
    extra = 0 if specification.source.depth is None else specification.source.depth - depth - 1
    if extra < 0:
        raise SpecificationError(
            [
                {
                    "pointer": "/source/depth",
                    "code": "DEPTH",
                    "detail": f"an L+1 construction of this target (L = {depth}) needs a source of "
                    f"depth {depth + 1} or more, got {specification.source.depth}",
                }
            ]
        )
    by_saving = sorted(range(2, depth + 1), key=lambda t: (-network.layers[t - 2].nonzero, t))
    return frozenset({1, *by_saving[:extra]})


def _copies_exponent(largest: float, unit_scale: float, reach: float) -> int:
    """lambda_l = 2^k: at least 1 in units of what a carrier passes on, and targets within reach."""
    least = math.ceil(math.log2(1 / unit_scale) - 1e-12)
    if largest == 0.0:
        return least
    return max(least, math.ceil(math.log2(largest / (unit_scale * reach))))


def _check_resolution(target: DenseLayer, requirement: Requirement, unit: float) -> None:
    """Raise SpecificationError where the scaled tolerance is too fine for the problems' grid."""
    largest_subset = requirement.base_set.largest_subset
    if fixed_point_tolerance(requirement.tolerance / unit, largest_subset) < LEAST_UNITS:
        raise SpecificationError(
            [
                {
                    "pointer": "/tolerance",
                    "code": "TOLERANCE_TOO_SMALL",
                    "detail": f"target layer {target.name!r} has parameters up to "
                    f"{target.largest:.3g}, needed within {requirement.tolerance:.2g}: finer "
                    "than the 2^-28 grid of the scaled problems; raise the tolerance, narrow "
                    "input.low and input.high, or rescale the target",
                }
            ]
        )


def chained_carriers(
    network: Network, specification: Specification, carrier: Activation
) -> tuple[int, int]:
    """(target layer, univariate layers on top of its first one), for depths past 2L.

    They stand where the fewest units need carrying.

    Raises:
        SpecificationError: the carriers are not exact, so they cannot be chained.
    """
    depth = len(network.layers)
    extra = max(0, (specification.source.depth or 0) - 2 * depth)
    paired = specification.source.initialization == "looks_linear" and carrier.name != "identity"
    biased = specification.source.carriers == "biased"
    if extra and (paired or biased or not carrier.piecewise_linear):
        raise SpecificationError(
            [
                {
                    "pointer": "/source/depth",
                    "code": "DEPTH",
                    "detail": f"past depth 2L = {2 * depth} inputs are carried through several "
                    "layers, which needs exact single carriers without a bias; set "
                    'source.first_layer_activation to "identity"',
                }
            ]
        )
    fewest = min(range(depth), key=lambda number: (network.layers[number].inputs, number))
    return fewest + 1, extra


class _Layout:
    """Source layers being laid out from the first to the last."""

    def __init__(
        self,
        network: Network,
        activation: Activation,
        specification: Specification,
        requirements: Sequence[Requirement],
    ) -> None:
        self._network = network
        self._activation = activation
        self._specification = specification
        self._requirements = requirements
        self._carrier = carrier_activation(specification, activation)
        self._carried = carried_layers(network, specification)
        self._suprema = unit_suprema(network, activation, specification.input)
        self._chained = chained_carriers(network, specification, self._carrier)
        self._everywhere = specification.source.biases == "all_layers"
        self.layers: list[LayerPlan] = []

    def _needs_constants(self, first: int) -> bool:
        """Does target layer ``first`` (from 1) or a later one have biases?"""
        own = self._network.layers[first - 1 : first]
        later = own if self._everywhere else self._network.layers[first - 1 :]
        return any(layer.bias is not None for layer in later)

    def add_carriers(self, number: int) -> None:
        """A univariate layer below target layer ``number``."""
        target, requirement = self._network.layers[number - 1], self._requirements[number - 1]
        domain = self._specification.input
        nonnegative = domain.normalised_low >= 0 if number == 1 else self._activation.nonnegative
        rule = choose_sign_rule(
            self._carrier, self._specification, nonnegative=nonnegative, bounded=number == 1
        )
        chained, extra = self._chained
        chain = extra if chained == number else 0
        block = self._block(rule, requirement.base_set.candidates)
        if rule in (SignRule.POSITIVE, SignRule.BOTH):
            block *= 2**chain  # each further layer lets half of them through
        supremum = max(float(self._suprema[number - 1].max()), 1.0)
        exponent = carrier_exponent(
            self._carrier,
            rule,
            requirement.base_set.largest_subset,
            requirement.carrier_error,
            supremum,
            LARGEST_CELL[self._specification.source.distribution],
            target.largest / REACH_OF_PRODUCTS,
        )
        for carriers_below in range(chain + 1):
            self.layers.append(
                LayerPlan(
                    len(self.layers) + 1,
                    Role.UNIVARIATE,
                    number,
                    target.inputs,
                    block,
                    self._constants_beside_carriers(number, rule, block),
                    self._carrier,
                    CHAINED_EXPONENT if carriers_below else exponent,
                    Pairing.ROWS if rule is SignRule.PAIRED else Pairing.NONE,
                    requirement,
                    rule,
                    carriers_below,
                    self._bounds if rule is SignRule.ALWAYS_ON else None,
                )
            )

    @property
    def _bounds(self) -> tuple[float, float]:
        domain = self._specification.input
        return domain.normalised_low, domain.normalised_high

    def _block(self, rule: SignRule, candidates: int) -> int:
        """Carriers of one unit."""
        if rule is not SignRule.ALWAYS_ON:
            return carrier_block_size(rule, candidates)
        expected = expect_always_on(self._specification.source.distribution, *self._bounds)
        if expected.share < SMALLEST_USABLE_SHARE:
            raise SpecificationError(
                [
                    {
                        "pointer": "/source/carriers",
                        "code": "DOMAIN_TOO_WIDE",
                        "detail": f"only {expected.share:.2g} of all biased neurons stay on over "
                        f"the normalised domain {self._bounds}; leave source.carriers out, or "
                        "narrow input.low and input.high",
                    }
                ]
            )
        return carrier_block_size(rule, candidates, expected.share)

    def _constants_beside_carriers(self, number: int, rule: SignRule, block: int) -> int:
        """Constant neurons of a univariate layer."""
        if rule is SignRule.ALWAYS_ON:
            target = self._network.layers[number - 1]
            fan_in = int(np.count_nonzero(target.weight, axis=1).max())
            candidates = self._requirements[number - 1].base_set.candidates
            return carrier_block_size(rule, candidates + counterweights(fan_in))
        return block if self._needs_constants(number) else 0

    def add_copies(self, number: int) -> None:
        """The layer of copies of target layer ``number``."""
        target, depth = self._network.layers[number - 1], len(self._network.layers)
        below = self.layers[-1]
        copies = 1
        if number < depth and number + 1 not in self._carried:
            copies = self._requirements[number].base_set.candidates
        constants = 0
        if number < depth and self._needs_constants(number + 1):
            constants = copies if copies > 1 else CONSTANTS_OF_A_SINGLE_COPY_LAYER
            if self._everywhere and self._activation.two_sided:
                constants *= 2  # only half of the biases switch such a neuron on
        products = below.role is Role.UNIVARIATE
        exponent = _copies_exponent(
            target.largest,
            below.unit_scale,
            REACH_OF_PRODUCTS if products else REACH_OF_WEIGHTS,
        )
        _check_resolution(target, self._requirements[number - 1], 2.0**exponent * below.unit_scale)
        self.layers.append(
            LayerPlan(
                len(self.layers) + 1,
                Role.COPIES,
                number,
                target.outputs,
                copies,
                constants,
                IDENTITY if number == depth else self._activation,
                exponent,
                Pairing.COLUMNS if below.pairing is Pairing.ROWS else Pairing.NONE,
                self._requirements[number - 1],
            )
        )

    def build(self) -> Plan:
        """All layers."""
        for number in range(1, len(self._network.layers) + 1):
            if number in self._carried:
                self.add_carriers(number)
            self.add_copies(number)
        return Plan(self._network.inputs, tuple(self.layers), self._everywhere)


def plan_network(
    network: Network,
    activation: Activation,
    specification: Specification,
    requirements: Sequence[Requirement],
) -> Plan:
    """Lay out the source network for a target.

    Args:
        network: the target; its shapes, which layers have biases, and each layer's largest
            parameter are used.
        activation: between the target's layers.
        specification: construction and source.
        requirements: for each target layer.

    Raises:
        SpecificationError: depth or carriers cannot be had.
    """
    return _Layout(network, activation, specification, requirements).build()


def posed_magnitudes(target: DenseLayer, scale: float) -> NDArray[np.float64]:
    """(parameter,) |z| of the problems of a layer, in units of ``scale``."""
    values = [target.weight[target.weight != 0]]
    if target.bias is not None:
        values.append(target.bias[target.bias != 0])
    return np.asarray(np.abs(np.concatenate(values)) / scale, np.float64)
