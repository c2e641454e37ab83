"""The source network: every cell's value as a function of its address (DESIGN law 1).

docs/source-network.md publishes this definition, so that anybody can rebuild a ticket's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ltengine.normal_quantile import normal_from_words
from ltengine.randomness import BIAS_STREAM, WEIGHT_STREAM, random_words

GRID_BITS = 24
"""Uniform values are odd multiples of 2^-24 in (-1, 1): never 0, symmetric, exact in float32."""


class Distribution(Enum):
    """What a cell's word is turned into."""

    UNIFORM = "uniform"
    NORMAL = "normal"


class Pairing(Enum):
    """Looks-linear layers (Assumption 2.2): which cells are the negatives of their neighbours.

    ROWS: neuron 2 q + 1 has the negated weights (and bias) of neuron 2 q. COLUMNS: the weight from
    neuron 2 q + 1 is the negated weight from neuron 2 q.
    """

    NONE = "none"
    ROWS = "rows"
    COLUMNS = "columns"


def uniform_from_words(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """(2 v + 1 - 2^24) / 2^24 with v the word's top 24 bits."""
    numerators = 2 * (words >> np.uint32(8)).astype(np.int64) + 1 - (1 << GRID_BITS)
    return numerators / float(1 << GRID_BITS)


def _signs(indices: NDArray[np.integer]) -> NDArray[np.float64]:
    return np.where(indices & 1, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Source:
    """A random network of unlimited width, fixed by its seed. Layers count from 1.

    Values are before the layer's scale, which a ticket reports for each layer.
    """

    seed: int
    distribution: Distribution = Distribution.UNIFORM

    def _values(self, words: NDArray[np.uint32]) -> NDArray[np.float64]:
        if self.distribution is Distribution.NORMAL:
            return normal_from_words(words)
        return uniform_from_words(words)

    def weights(
        self,
        layer: int,
        rows: NDArray[np.integer],
        columns: NDArray[np.integer],
        pairing: Pairing = Pairing.NONE,
    ) -> NDArray[np.float64]:
        """Weight cells (layer, rows[i], columns[i]), unscaled; rows and columns broadcast."""
        signs: NDArray[np.float64] | float = 1.0
        if pairing is Pairing.ROWS:
            rows, signs = rows >> 1, _signs(rows)
        elif pairing is Pairing.COLUMNS:
            columns, signs = columns >> 1, _signs(columns)
        words = random_words(self.seed, WEIGHT_STREAM, layer, rows, columns)
        return self._values(words) * signs

    def biases(
        self, layer: int, rows: NDArray[np.integer], pairing: Pairing = Pairing.NONE
    ) -> NDArray[np.float64]:
        """Bias cells (layer, rows[i]), unscaled; a bias has column 0 of its own stream."""
        signs: NDArray[np.float64] | float = 1.0
        if pairing is Pairing.ROWS:
            rows, signs = rows >> 1, _signs(rows)
        columns = np.zeros(np.shape(rows), dtype=np.int64)
        return self._values(random_words(self.seed, BIAS_STREAM, layer, rows, columns)) * signs
