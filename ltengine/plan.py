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

from dataclasses import dataclass
from itertools import pairwise

from ltengine.activation import Activation
from ltengine.carrier import SignRule
from ltengine.role import Role
from ltengine.source import Pairing


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
        domain: (low, high) of the units, over which always-on neurons must not switch off.
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
    domain: tuple[float, float] | None = None

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
    def base_sets_per_unit(self) -> int:
        """How many problems a parameter of the layer of copies above poses."""
        return 2 if self.sign_rule is SignRule.BOTH else 1

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
