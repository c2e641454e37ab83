"""The plan: which source neurons serve which target parameter, and how wide each layer is.

Pure index arithmetic. A source layer is either

* univariate: each neuron is pruned to one input; a block of them carries copies of one unit of the
  layer below (Theorem 2.5), or
* copies: a block of neurons are copies of one target neuron (Theorem 2.7).

Neuron r of a layer belongs to unit r // block_size; the last ``constants`` neurons emit constants,
from which biases are built.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from enum import Enum

from ltengine.activation import IDENTITY, Activation
from ltengine.network import Network
from ltengine.role import Role
from ltengine.specification import Specification

SPARE_WEIGHTS = 12
SPARE_PRODUCTS = 36
"""Spare candidates beyond each base set, offered to the problems that it cannot solve.

For |z| = 1 each further variable cuts the failure probability by e^-0.54 (uniform) or e^-0.30
(products of two uniforms), so these cut it 650 or 49,000 times. Spares cost width, never links."""
SIGN_MARGIN = 8
"""Extra neurons where only one sign is usable, as signs fall at random."""
CONSTANTS_OF_A_SINGLE_COPY_LAYER = 4
UNIFORM_REACH = 1.6
PRODUCT_REACH = 1.0
"""Largest |target| offered to a base set; larger layers are scaled down by lambda_l.

Reach, not resolution, limits large targets; but scaling down tightens the tolerance of the whole
layer and costs links everywhere, while the few large targets can be left to the spares."""


class SignRule(Enum):
    """Which univariate neurons can carry a unit x, by the sign of their weight w.

    ANY: phi(w x) = m w x for every w. POSITIVE: x >= 0, so w > 0 gives m+ w x. BOTH: x has either
    sign and m+ != m-, so one subset with w > 0 and one with w < 0 are needed (Lemma 2.4).
    """

    ANY = "any"
    POSITIVE = "positive"
    BOTH = "both"


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
        scale_exponent: lambda_l = 2^scale_exponent.
        sign_rule: for a univariate layer, else None.
    """

    layer: int
    role: Role
    target_layer: int
    units: int
    block_size: int
    constants: int
    activation: Activation
    scale_exponent: int
    sign_rule: SignRule | None = None

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
        """lambda_l."""
        return 2.0**self.scale_exponent


@dataclass(frozen=True, slots=True)
class Plan:
    """Every source layer in order."""

    inputs: int
    layers: tuple[LayerPlan, ...]
    base_set_size: int

    @property
    def widths(self) -> tuple[int, ...]:
        """[n_0, n_1, ...] of the source network."""
        return (self.inputs, *(layer.width for layer in self.layers))

    @property
    def source_parameters(self) -> int:
        """Cells of the source: all weights, and the first layer's biases (Assumption 2.1)."""
        widths = self.widths
        weights = sum(a * b for a, b in itertools.pairwise(widths))
        return weights + widths[1]


def _scale_exponent(largest: float, reach: float) -> int:
    return max(0, math.ceil(math.log2(largest / reach))) if largest > 0 else 0


def _sign_rule(activation: Activation, nonnegative_inputs: bool) -> SignRule:
    if not activation.two_sided:
        return SignRule.ANY
    return SignRule.POSITIVE if nonnegative_inputs else SignRule.BOTH


def plan_network(network: Network, activation: Activation, specification: Specification) -> Plan:
    """Lay out the source network for a target.

    Args:
        network: the target; its shapes, which layers have biases, and each layer's largest
            parameter are used.
        activation: between the target's layers.
        specification: the construction and base set.
    """
    depth = len(network.layers)
    univariate_activation = (
        IDENTITY if specification.source.first_layer_activation == "identity" else activation
    )
    of_products = specification.base_set.size + SPARE_PRODUCTS
    of_weights = specification.base_set.size + SPARE_WEIGHTS
    layers: list[LayerPlan] = []
    for number, target in enumerate(network.layers, start=1):
        needs_constants = any(later.bias is not None for later in network.layers[number - 1 :])
        if number == 1 or specification.construction == "2L":
            nonnegative = (
                specification.input.normalised_low >= 0 if number == 1 else activation.nonnegative
            )
            rule = _sign_rule(univariate_activation, nonnegative)
            block = of_products
            if rule is not SignRule.ANY:
                block = 2 * of_products + SIGN_MARGIN
            layers.append(
                LayerPlan(
                    len(layers) + 1,
                    Role.UNIVARIATE,
                    number,
                    target.inputs,
                    block,
                    block if needs_constants else 0,
                    univariate_activation,
                    0,
                    rule,
                )
            )
        from_products = layers[-1].role is Role.UNIVARIATE
        needs_constants = any(later.bias is not None for later in network.layers[number:])
        last = number == depth
        copies = 1 if last or specification.construction == "2L" else of_weights
        constants = copies if copies > 1 else CONSTANTS_OF_A_SINGLE_COPY_LAYER
        layers.append(
            LayerPlan(
                len(layers) + 1,
                Role.COPIES,
                number,
                target.outputs,
                copies,
                constants if needs_constants else 0,
                IDENTITY if last else activation,
                _scale_exponent(target.largest, PRODUCT_REACH if from_products else UNIFORM_REACH),
            )
        )
    return Plan(network.inputs, tuple(layers), specification.base_set.size)
