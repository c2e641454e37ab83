"""The ticket: a seed, a scale for each layer and a mask."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ltengine.activation import Activation, named_activation
from ltengine.errors import TicketFormatError
from ltengine.mask import LayerMask
from ltengine.role import Role
from ltengine.source import Pairing, Source


@dataclass(frozen=True, slots=True)
class TicketLayer:
    """One source layer of a ticket: its claim of what each neuron is, and its kept cells.

    The verifier checks the claim; it does not trust it.

    Attributes:
        role: univariate neurons, or copies of target neurons.
        target_layer: from 1; the one whose inputs are copied, or whose neurons are built.
        units: blocks; block u is neurons u * block_size ... (u + 1) * block_size - 1.
        block_size: neurons for each unit.
        constants: neurons after the last block that emit constants.
        activation: of this layer.
        scale: of the layer's cells, a power of two.
        pairing: which of its cells are negatives of their neighbours.
        mask: the kept cells.
    """

    role: Role
    target_layer: int
    units: int
    block_size: int
    constants: int
    activation: Activation
    scale: float
    pairing: Pairing
    mask: LayerMask

    @property
    def first_constant(self) -> int:
        """The first constant neuron's row."""
        return self.units * self.block_size

    @property
    def width(self) -> int:
        """All neurons."""
        return self.first_constant + self.constants

    def describe(self) -> dict[str, Any]:
        """The layer's claim as JSON data."""
        return {
            "role": self.role.value,
            "target_layer": self.target_layer,
            "units": self.units,
            "block_size": self.block_size,
            "constants": self.constants,
            "activation": {"name": self.activation.name, "slope": self.activation.slope},
            "scale": self.scale,
            "pairing": self.pairing.value,
        }


@dataclass(frozen=True, slots=True)
class Ticket:
    """A pruned source network.

    Attributes:
        inputs: n_0.
        layers: of the source, from the first.
        source: fixes every cell's value.
        specification: the spec it was made by, canonical JSON data.
        target_digest: of the network it represents.
        engine_version: that made it.
    """

    inputs: int
    layers: tuple[TicketLayer, ...]
    source: Source
    specification: dict[str, Any]
    target_digest: str
    engine_version: str

    @property
    def parameters(self) -> int:
        """Kept cells, weights and biases."""
        return sum(layer.mask.cells for layer in self.layers)

    @property
    def widths(self) -> tuple[int, ...]:
        """[n_0, n_1, ...] of the source network."""
        return (self.inputs, *(layer.width for layer in self.layers))

    @property
    def neurons(self) -> int:
        """Neurons that some kept cell reads, and the outputs."""
        hidden = sum(layer.mask.used_columns().size for layer in self.layers[1:])
        return hidden + self.layers[-1].width


def read_layer_claim(document: dict[str, Any], mask: LayerMask) -> TicketLayer:
    """The inverse of ``TicketLayer.describe``.

    Raises:
        TicketFormatError: a number is out of its range.
    """
    activation = document["activation"]
    counts = {name: document[name] for name in ("target_layer", "units", "block_size", "constants")}
    for name, value in counts.items():
        least = 0 if name == "constants" else 1
        if type(value) is not int or value < least:
            raise TicketFormatError(f"{name} is {value!r}", code="METADATA_FIELDS")
    scale = document["scale"]
    if type(scale) is not float or not 0 < scale < math.inf or math.frexp(scale)[0] != 0.5:
        raise TicketFormatError(f"scale {scale!r} is no power of two", code="METADATA_FIELDS")
    return TicketLayer(
        role=Role(document["role"]),
        **counts,
        activation=named_activation(activation["name"], activation["slope"]),
        scale=scale,
        pairing=Pairing(document["pairing"]),
        mask=mask,
    )
