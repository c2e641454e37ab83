"""The ticket as the sparse network it is: every kept cell with its value, rebuilt from the seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.source import Pairing
from ltengine.ticket import Ticket


@dataclass(frozen=True, slots=True)
class SparseLayer:
    """Kept cells of one source layer with their values.

    Attributes:
        rows: (cell,) int64.
        columns: (cell,) int64.
        values: (cell,) float64, scaled.
        offsets: (width + 1,) int64, where each row's cells begin.
        biases: (width,) float64, 0 where the bias is pruned.
        activation: after the sum.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: NDArray[np.float64]
    offsets: NDArray[np.int64]
    biases: NDArray[np.float64]
    activation: Activation

    @property
    def width(self) -> int:
        """Rows."""
        return int(self.biases.size)


def rebuild(ticket: Ticket) -> tuple[SparseLayer, ...]:
    """Every layer of the ticket with the values that the seed gives its cells."""
    source = ticket.source
    layers = []
    for number, layer in enumerate(ticket.layers, start=1):
        rows, columns = layer.mask.rows(), layer.mask.columns
        biases = np.zeros(layer.width)
        kept = np.flatnonzero(layer.mask.biases)
        # a bias belongs to its row, so only row pairs negate it
        bias_pairing = Pairing.ROWS if layer.pairing is Pairing.ROWS else Pairing.NONE
        biases[kept] = source.biases(number, kept, bias_pairing) * layer.scale
        layers.append(
            SparseLayer(
                rows,
                columns,
                source.weights(number, rows, columns, layer.pairing) * layer.scale,
                layer.mask.offsets,
                biases,
                layer.activation,
            )
        )
    return tuple(layers)
