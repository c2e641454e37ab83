"""The mask of one source layer: which of its cells stay."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

LARGEST_WIDTH = 1 << 31
"""Neurons are counted below this, so a column takes four bytes."""


@dataclass(frozen=True, slots=True)
class LayerMask:
    """Kept cells in row-compressed form.

    Attributes:
        width: neurons (rows) of the layer.
        inputs: columns of the layer.
        offsets: (width + 1,) int64; row r keeps columns[offsets[r] : offsets[r + 1]].
        columns: (cell,) int32, strictly ascending in each row.
        biases: (width,) bool, the kept bias cells.
    """

    width: int
    inputs: int
    offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    biases: NDArray[np.bool_]

    @staticmethod
    def from_cells(
        width: int,
        inputs: int,
        rows: NDArray[np.integer],
        columns: NDArray[np.integer],
        bias_rows: NDArray[np.int64],
    ) -> LayerMask:
        """Sort cells, each given once, into row-compressed form."""
        builder = MaskBuilder(width, inputs)
        builder.append(rows, columns)
        return builder.build(bias_rows)

    def rows(self) -> NDArray[np.int32]:
        """(cell,) the row of each kept weight cell."""
        return np.repeat(np.arange(self.width, dtype=np.int32), np.diff(self.offsets))

    @property
    def cells(self) -> int:
        """Kept parameters, biases included."""
        return int(self.columns.size) + int(np.count_nonzero(self.biases))

    def used_columns(self) -> NDArray[np.int64]:
        """Neurons of the layer below that some kept cell reads, ascending."""
        used = np.zeros(self.inputs, dtype=np.bool_)
        _mark(self.columns, used)
        return np.flatnonzero(used)


@numba.njit(cache=True)
def _mark(columns, used):  # type: ignore[no-untyped-def]
    """Numpy's scatter would first widen every column to eight bytes."""
    for column in columns:
        used[column] = True


@numba.njit(parallel=True, cache=True)
def _sort_rows(rows, columns, counts, placed, threads):  # type: ignore[no-untyped-def]
    """Cells by row, then by column; adds to ``counts`` how many each row has.

    Each thread looks at all cells and places those of its own rows.
    """
    first, last = rows.min(), rows.max() + 1
    ends = np.zeros(last - first + 1, np.int64)
    for row in rows:
        ends[row - first + 1] += 1
    for r in range(last - first):
        counts[first + r] += ends[r + 1]
        ends[r + 1] += ends[r]
    begins = ends[:-1].copy()
    ends = ends[:-1]
    for thread in numba.prange(threads):
        low, high = rows.size * thread // threads, rows.size * (thread + 1) // threads
        for c in range(rows.size):
            row = rows[c] - first
            begin = begins[row]
            if low <= begin < high:
                # insertion: a row's cells come in order but for those of a few base sets
                place, column = ends[row], columns[c]
                while place > begin and placed[place - 1] > column:
                    placed[place] = placed[place - 1]
                    place -= 1
                placed[place] = column
                ends[row] += 1


class MaskBuilder:
    """Collects a layer's cells, some rows at a time, without ever holding them twice."""

    def __init__(self, width: int, inputs: int) -> None:
        """A layer of ``width`` rows and ``inputs`` columns, both below LARGEST_WIDTH."""
        self._width = width
        self._inputs = inputs
        self._counts = np.zeros(width, np.int64)
        self._columns = np.empty(0, np.int32)
        self._size = 0

    def append(self, rows: NDArray[np.integer], columns: NDArray[np.integer]) -> None:
        """Add cells in any order; all of their rows come after those of earlier calls."""
        if rows.size == 0:
            return
        size = self._size + rows.size
        if size > self._columns.size:
            # the system moves the pages of a large block that grows: nothing is copied
            self._columns.resize(size + size // 4, refcheck=False)
        placed = self._columns[self._size : size]
        _sort_rows(rows, columns, self._counts, placed, numba.get_num_threads())
        self._size = size

    def append_rows(
        self, first: int, counts: NDArray[np.int64], columns: NDArray[np.int32]
    ) -> None:
        """Add whole rows from ``first`` on: (row,) their cells, and those cells in order."""
        size = self._size + columns.size
        if size > self._columns.size:
            self._columns.resize(size + size // 4, refcheck=False)
        self._columns[self._size : size] = columns
        self._counts[first : first + counts.size] += counts
        self._size = size

    def build(self, bias_rows: NDArray[np.int64]) -> LayerMask:
        """The mask of all cells, with the bias cells of these rows; the builder is spent."""
        self._columns.resize(self._size, refcheck=False)
        biases = np.zeros(self._width, dtype=np.bool_)
        biases[bias_rows] = True
        offsets = np.concatenate(([0], np.cumsum(self._counts))).astype(np.int64, copy=False)
        return LayerMask(self._width, self._inputs, offsets, self._columns, biases)
