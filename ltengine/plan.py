"""The plan: which source neurons serve which target parameter, and how wide each layer is.

Pure index arithmetic. A source layer is either

* univariate: each neuron is pruned to one input; a block of them carries copies of one unit of the
  layer below (Theorem 2.5, or 2.6 for looks-linear pairs), or
* copies: a block of neurons are copies of one target neuron (Theorem 2.7).

Neuron r of a layer belongs to unit r // block_size; the last ``constants`` neurons emit constants,
from which biases are built. A target layer is carried if a univariate layer lies below its copies:
the first one always is, all are in 2L, and as many as the depth asks for in between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

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
)
from ltengine.errors import SpecificationError
from ltengine.network import DenseLayer, Network
from ltengine.role import Role
from ltengine.source import Pairing
from ltengine.specification import Specification

SPARE_WEIGHTS = 12
SPARE_PRODUCTS = 36
"""Spare candidates beyond each base set, offered to the problems that it cannot solve.

For |z| = 1 each further variable cuts the failure probability by e^-0.54 (uniform) or e^-0.30
(products of two uniforms), so these cut it 650 or 49,000 times. Spares cost width, never links."""
CONSTANTS_OF_A_SINGLE_COPY_LAYER = 4
CHAINED_EXPONENT = 1
"""A further carrier's weight is half as large as 1 on average: doubling keeps the chain's reach."""
REACH_OF_WEIGHTS = 1.6
REACH_OF_PRODUCTS = 1.0
"""Largest |target| offered to a base set; larger layers are scaled down by lambda_l.

Reach, not resolution, limits large targets; but scaling down tightens the tolerance of the whole
layer and costs links everywhere, while the few large targets can be left to the spares."""


@dataclass(frozen=True, slots=True)
class BaseSetSize:
    """How many candidates a problem has.

    Attributes:
        size: m, offered at first.
        candidates: with all spares.
        largest_subset: the most elements of a solution.
    """

    size: int
    candidates: int
    largest_subset: int


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one target layer needs.

    Attributes:
        tolerance: allowed error of each of its parameters.
        carrier_error: what the carriers of one input may together add to a pre-activation, where
            they are only approximately linear.
        base_set: of its problems.
    """

    tolerance: float
    carrier_error: float
    base_set: BaseSetSize


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One source layer.

    Attributes:
        layer: its number, from 1.
        role: univariate or copies.
        target_layer: from 1; the one whose inputs are copied, or whose neurons are built.
        units: blocks in the layer.
        block_size: neurons for each unit.
        constants: neurons behind the last block that emit constants.
        activation: of this source layer.
        scale_exponent: the layer's cells are scaled by 2^scale_exponent.
        pairing: which of its cells are negatives of their neighbours.
        requirement: of the target layer.
        sign_rule: for a univariate layer, else None.
        carriers_below: univariate layers directly below a univariate one; its neurons then carry
            on what neuron of their own row the layer below carries.
    """

    layer: int
    role: Role
    target_layer: int
    units: int
    block_size: int
    constants: int
    activation: Activation
    scale_exponent: int
    pairing: Pairing
    requirement: Requirement
    sign_rule: SignRule | None = None
    carriers_below: int = 0

    @property
    def first_constant(self) -> int:
        """The first constant neuron's row."""
        return self.units * self.block_size

    @property
    def width(self) -> int:
        """All neurons."""
        return self.first_constant + self.constants

    @property
    def scale(self) -> float:
        """Of the layer's cells."""
        return 2.0**self.scale_exponent

    @property
    def slope(self) -> float:
        """What a chain of carriers' weights w is worth: slope * prod(w) * x; 1 for copies."""
        if self.role is Role.COPIES:
            return 1.0
        chain = 1 + self.carriers_below
        if self.sign_rule in (SignRule.BOTH, SignRule.PAIRED):
            return self.activation.m_plus**chain + self.activation.m_minus**chain
        return self.activation.m_plus**chain

    @property
    def unit_scale(self) -> float:
        """A candidate of unit weight passes on unit_scale * x: the unit of the problems."""
        if self.role is Role.COPIES:
            return 1.0
        # a chain's further weights enter as they are, scaled; its first layer has scale 1
        return self.slope if self.carriers_below else self.scale * self.slope


@dataclass(frozen=True, slots=True)
class Plan:
    """Every source layer in order."""

    inputs: int
    layers: tuple[LayerPlan, ...]
    biases_everywhere: bool

    @property
    def widths(self) -> tuple[int, ...]:
        """[n_0, n_1, ...] of the source network."""
        return (self.inputs, *(layer.width for layer in self.layers))

    @property
    def source_parameters(self) -> int:
        """Cells of the source: all weights, and the biases of the layers that have any."""
        widths = self.widths
        weights = sum(a * b for a, b in pairwise(widths))
        return weights + (sum(widths[1:]) if self.biases_everywhere else widths[1])


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
    if extra and (paired or not carrier.piecewise_linear):
        raise SpecificationError(
            [
                {
                    "pointer": "/source/depth",
                    "code": "DEPTH",
                    "detail": f"past depth 2L = {2 * depth} inputs are carried through several "
                    "layers, which needs exact single carriers; set source.first_layer_activation "
                    'to "identity"',
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
        rule = choose_sign_rule(self._carrier, self._specification, nonnegative=nonnegative)
        chained, extra = self._chained
        chain = extra if chained == number else 0
        block = carrier_block_size(rule, requirement.base_set.candidates)
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
                    block if self._needs_constants(number) else 0,
                    self._carrier,
                    CHAINED_EXPONENT if carriers_below else exponent,
                    Pairing.ROWS if rule is SignRule.PAIRED else Pairing.NONE,
                    requirement,
                    rule,
                    carriers_below,
                )
            )

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
        self.layers.append(
            LayerPlan(
                len(self.layers) + 1,
                Role.COPIES,
                number,
                target.outputs,
                copies,
                constants,
                IDENTITY if number == depth else self._activation,
                _copies_exponent(
                    target.largest,
                    below.unit_scale,
                    REACH_OF_PRODUCTS if products else REACH_OF_WEIGHTS,
                ),
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
