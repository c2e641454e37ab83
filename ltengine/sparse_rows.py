"""Rows of a sparse matrix, and their product with dense ones: signed sums that may cancel."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A (row, column) matrix in row-compressed form; columns ascend within a row."""

    offsets: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Array
    width: int

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.offsets.size) - 1

    def rows(self) -> NDArray[np.int64]:
        """(entry,) the row of each entry."""
        return np.repeat(np.arange(self.height), np.diff(self.offsets))

    def dense(self, first: int, last: int) -> Array:
        """Rows first ... last - 1 as a dense matrix."""
        matrix = np.zeros((last - first, self.width))
        inside = slice(int(self.offsets[first]), int(self.offsets[last]))
        rows = np.repeat(np.arange(last - first), np.diff(self.offsets[first : last + 1]))
        matrix[rows, self.columns[inside]] = self.values[inside]
        return matrix

    def absolute_product(self, x: Array) -> Array:
        """(row,) sum of |value| x."""
        weighted = np.abs(self.values) * x[self.columns]
        sums = np.bincount(self.rows(), weighted, minlength=self.height)
        return sums.astype(np.float64, copy=False)


def from_entries(
    rows: NDArray[np.int64], columns: NDArray[np.int64], values: Array, shape: tuple[int, int]
) -> SparseRows:
    """Entries in any order; those at the same place add up."""
    keys, place = np.unique(rows * shape[1] + columns, return_inverse=True)
    sums = np.bincount(place, values, minlength=keys.size).astype(np.float64)
    counts = np.bincount(keys // shape[1], minlength=shape[0])
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return SparseRows(offsets, keys % shape[1], sums, shape[1])


def from_dense(matrix: Array) -> SparseRows:
    """The entries that are not 0."""
    rows, columns = np.nonzero(matrix)
    counts = np.bincount(rows, minlength=matrix.shape[0])
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return SparseRows(offsets, columns, matrix[rows, columns], matrix.shape[1])


def stack(parts: list[SparseRows], width: int) -> SparseRows:
    """Rows of each part in turn."""
    parts = [from_dense(np.zeros((0, width))), *parts]
    starts = np.cumsum([0, *(part.columns.size for part in parts)])
    offsets = [part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)]
    return SparseRows(
        np.concatenate((parts[0].offsets, *offsets[1:])),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
        width,
    )


@numba.njit(parallel=True, cache=True)
def _add_product(left, offsets, columns, values, result):  # type: ignore[no-untyped-def]
    for row in numba.prange(left.shape[0]):
        for middle in range(left.shape[1]):
            factor = left[row, middle]
            if factor != 0.0:
                for entry in range(offsets[middle], offsets[middle + 1]):
                    result[row, columns[entry]] += factor * values[entry]


def multiply(left: Array, right: SparseRows) -> Array:
    """The product, dense; each row is summed in one fixed order."""
    result = np.zeros((left.shape[0], right.width))
    _add_product(left, right.offsets, right.columns, right.values, result)
    return result
