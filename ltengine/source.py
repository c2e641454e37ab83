"""The source network: every cell's value as a function of its address (DESIGN law 1).

docs/source-network.md publishes this definition, so that anybody can rebuild a ticket's values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.randomness import BIAS_STREAM, WEIGHT_STREAM, random_words

GRID_BITS = 24
"""Cell values are odd multiples of 2^-24 in (-1, 1): never 0, symmetric, exact in float32."""


def uniform_from_words(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """(2 v + 1 - 2^24) / 2^24 with v the word's top 24 bits."""
    numerators = 2 * (words >> np.uint32(8)).astype(np.int64) + 1 - (1 << GRID_BITS)
    return numerators / float(1 << GRID_BITS)


@dataclass(frozen=True, slots=True)
class Source:
    """A random network of unlimited width, fixed by its seed. Layers count from 1.

    Values are before the layer's scale lambda_l, which a ticket reports for each layer.
    """

    seed: int
    distribution: str = "uniform"

    def weights(
        self, layer: int, rows: NDArray[np.integer], columns: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """Weight cells (layer, rows[i], columns[i]), unscaled; rows and columns broadcast."""
        return uniform_from_words(random_words(self.seed, WEIGHT_STREAM, layer, rows, columns))

    def biases(self, layer: int, rows: NDArray[np.integer]) -> NDArray[np.float64]:
        """Bias cells (layer, rows[i]), unscaled; a bias has column 0 of its own stream."""
        columns = np.zeros(np.shape(rows), dtype=np.int64)
        return uniform_from_words(random_words(self.seed, BIAS_STREAM, layer, rows, columns))
