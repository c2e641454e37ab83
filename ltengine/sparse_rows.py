"""Rows of a sparse matrix, and their product with dense ones: signed sums that may cancel."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.threads import kernel_lock

Array = NDArray[np.float64]

PARALLEL_PRODUCTS = 1 << 25
"""Fewer are done before threads have met, on a busy machine."""


@dataclass(frozen=True, slots=True)
class SparseRows:
    """A (row, column) matrix in row-compressed form; columns ascend within a row."""

    offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
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

    def taken(self, rows: NDArray[np.integer]) -> SparseRows:
        """Some rows, in that order."""
        counts = np.diff(self.offsets)[rows]
        offsets = np.concatenate(([0], np.cumsum(counts)))
        entries = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], counts)
        return SparseRows(offsets, self.columns[entries], self.values[entries], self.width)

    def transposed(self) -> SparseRows:
        """The (column, row) matrix."""
        counts = np.bincount(self.columns, minlength=self.width)
        offsets = np.concatenate(([0], np.cumsum(counts)))
        rows, values = np.empty(self.columns.size, np.int32), np.empty(self.columns.size)
        _turn(self.offsets, self.columns, self.values, offsets[:-1].copy(), rows, values)
        return SparseRows(offsets, rows, values, self.height)

    def absolute_product(self, x: Array) -> Array:
        """(row,) sum of |value| x."""
        sums = np.empty(self.height)
        _sum_absolutes(self.offsets, self.columns, self.values, x, sums)
        return sums

    def range_on(self, low: Array, high: Array, size: Array) -> tuple[tuple[Array, Array], Array]:
        """(row,) least and largest sums of value x for low <= x <= high; sums of |value| size."""
        least, most, sums = np.empty(self.height), np.empty(self.height), np.empty(self.height)
        each = self.offsets, self.columns, self.values
        _sum_ranges(*each, low, high, size, least, most, sums)
        return (least, most), sums


def from_entries(
    rows: NDArray[np.integer], columns: NDArray[np.integer], values: Array, shape: tuple[int, int]
) -> SparseRows:
    """Entries in any order; those at the same place add up."""
    keys = rows * np.int64(shape[1]) + columns
    if (keys[1:] > keys[:-1]).all():
        sums = values.astype(np.float64, copy=False)
    else:
        keys, place = np.unique(keys, return_inverse=True)
        sums = np.bincount(place, values, minlength=keys.size).astype(np.float64)
    counts = np.bincount(keys // shape[1], minlength=shape[0])
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    return SparseRows(offsets, (keys % shape[1]).astype(np.int32), sums, shape[1])


@numba.njit(nogil=True, cache=True)
def _sum_absolutes(offsets, columns, values, x, sums):  # type: ignore[no-untyped-def]
    for row in range(sums.size):
        total = 0.0
        for entry in range(offsets[row], offsets[row + 1]):
            total += abs(values[entry]) * x[columns[entry]]
        sums[row] = total


@numba.njit(nogil=True, cache=True)
def _sum_ranges(offsets, columns, values, low, high, size, least, most, sums):  # type: ignore[no-untyped-def]
    for row in range(sums.size):
        down = up = total = 0.0
        for entry in range(offsets[row], offsets[row + 1]):
            value, column = values[entry], columns[entry]
            first, second = value * low[column], value * high[column]
            down += min(first, second)
            up += max(first, second)
            total += abs(value) * size[column]
        least[row], most[row], sums[row] = down, up, total


@numba.njit(cache=True)
def _turn(offsets, columns, values, places, new_rows, new_values):  # type: ignore[no-untyped-def]
    for row in range(offsets.size - 1):
        for entry in range(offsets[row], offsets[row + 1]):
            place = places[columns[entry]]
            new_rows[place] = row
            new_values[place] = values[entry]
            places[columns[entry]] = place + 1


@numba.njit(nogil=True, cache=True)
def _take_entries(matrix, offsets, columns, values):  # type: ignore[no-untyped-def]
    entry = 0
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            value = matrix[row, column]
            if value != 0.0:
                columns[entry] = column
                values[entry] = value
                entry += 1
        offsets[row + 1] = entry


def from_dense(matrix: Array) -> SparseRows:
    """The entries that are not 0."""
    offsets, count = np.zeros(matrix.shape[0] + 1, np.int64), np.count_nonzero(matrix)
    columns, values = np.empty(count, np.int32), np.empty(count)
    _take_entries(np.ascontiguousarray(matrix), offsets, columns, values)
    return SparseRows(offsets, columns, values, matrix.shape[1])


def no_entries(height: int, width: int) -> SparseRows:
    """A matrix of zeros."""
    return SparseRows(np.zeros(height + 1, np.int64), np.zeros(0, np.int32), np.zeros(0), width)


def stack(parts: list[SparseRows], width: int) -> SparseRows:
    """Rows of each part in turn; narrower ones are filled with zeros."""
    parts = [no_entries(0, width), *parts]
    starts = np.cumsum([0, *(part.columns.size for part in parts)])
    offsets = [part.offsets[1:] + start for part, start in zip(parts, starts, strict=False)]
    return SparseRows(
        np.concatenate((parts[0].offsets, *offsets[1:])),
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.values for part in parts]),
        width,
    )


@numba.njit(nogil=True, cache=True)
def _add_row(row, offsets, columns, values, result):  # type: ignore[no-untyped-def]
    for middle in range(row.size):
        factor = row[middle]
        if factor != 0.0:
            for entry in range(offsets[middle], offsets[middle + 1]):
                result[columns[entry]] += factor * values[entry]


@numba.njit(nogil=True, cache=True)
def _add_serially(left, offsets, columns, values, result):  # type: ignore[no-untyped-def]
    for row in range(left.shape[0]):
        _add_row(left[row], offsets, columns, values, result[row])


@numba.njit(parallel=True, cache=True)
def _add_in_parallel(left, offsets, columns, values, result):  # type: ignore[no-untyped-def]
    for row in numba.prange(left.shape[0]):
        _add_row(left[row], offsets, columns, values, result[row])


def multiply(left: Array, right: SparseRows) -> Array:
    """The product, dense; each row is summed in one fixed order."""
    result = np.zeros((left.shape[0], right.width))
    add_product(left, right, result)
    return result


def add_product(left: Array, right: SparseRows, result: Array) -> None:
    """Add the product to a dense matrix; of parts of ``right`` in turn, the sums are the same."""
    large = left.shape[0] * right.values.size >= PARALLEL_PRODUCTS
    product = np.ascontiguousarray(left), right.offsets, right.columns, right.values, result
    if large:
        with kernel_lock:
            _add_in_parallel(*product)
    else:
        _add_serially(*product)
