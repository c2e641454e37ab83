"""The mask of one source layer: which of its cells stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class LayerMask:
    """Kept cells in row-compressed form.

    Attributes:
        width: neurons (rows) of the layer.
        inputs: columns of the layer.
        offsets: (width + 1,) int64; row r keeps columns[offsets[r] : offsets[r + 1]].
        columns: (cell,) int64, strictly ascending in each row.
        biases: (width,) bool, the kept bias cells.
    """

    width: int
    inputs: int
    offsets: NDArray[np.int64]
    columns: NDArray[np.int64]
    biases: NDArray[np.bool_]

    @staticmethod
    def from_cells(
        width: int,
        inputs: int,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
        bias_rows: NDArray[np.int64],
    ) -> LayerMask:
        """Sort cells, each given once, into row-compressed form."""
        keys = np.sort(rows * inputs + columns)
        counts = np.bincount(keys // inputs, minlength=width)
        biases = np.zeros(width, dtype=np.bool_)
        biases[bias_rows] = True
        offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
        return LayerMask(width, inputs, offsets, keys % inputs, biases)

    def rows(self) -> NDArray[np.int64]:
        """(cell,) the row of each kept weight cell."""
        return np.repeat(np.arange(self.width), np.diff(self.offsets))

    @property
    def cells(self) -> int:
        """Kept parameters, biases included."""
        return int(self.columns.size) + int(np.count_nonzero(self.biases))

    def used_columns(self) -> NDArray[np.int64]:
        """Neurons of the layer below that some kept cell reads, ascending."""
        used = np.zeros(self.inputs, dtype=np.bool_)
        used[self.columns] = True
        return np.flatnonzero(used)
