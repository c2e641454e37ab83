"""Counting problems: row by row while they are solved, and all of them for the report."""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.problem import UNSOLVED

_SPARE_USED, _UNSOLVED, _SIZES = 0, 1, 2


@dataclass(frozen=True, slots=True)
class ProblemCounts:
    """What was solved, and how.

    Attributes:
        total: problems posed.
        unsolved: of them, without a solution.
        spare_used: of them, solved only with spare candidates.
        histogram: solutions by number of elements.
    """

    total: int
    unsolved: int
    spare_used: int
    histogram: NDArray[np.int64]

    @property
    def mean_size(self) -> float:
        """Mean number of elements of a solution."""
        solved = self.histogram.sum()
        elements = (self.histogram * np.arange(self.histogram.size)).sum()
        return float(elements / solved) if solved else 0.0


@numba.njit(cache=True)
def _count(rows, sizes, with_spares, table):  # type: ignore[no-untyped-def]
    """Add problems to the table of `RowCounts`."""
    for p in range(rows.size):
        kind = _UNSOLVED if sizes[p] == UNSOLVED else _SIZES + sizes[p]
        table[rows[p], kind] += 1
        if with_spares[p]:
            table[rows[p], _SPARE_USED] += 1


@dataclass(frozen=True, slots=True)
class RowCounts:
    """The same for each of some rows: what a row needs depends on that row alone.

    Attributes:
        table: (row, 3 + largest subset) int32; problems solved only with spares, problems
            without a solution, then solutions by number of elements from 0.
    """

    table: NDArray[np.int32]

    @staticmethod
    def zero(rows: int, largest_subset: int) -> RowCounts:
        """Of rows without problems, to be added to."""
        return RowCounts(np.zeros((rows, _SIZES + largest_subset + 1), np.int32))

    def add(
        self, rows: NDArray[np.int64], sizes: NDArray[np.int8], with_spares: NDArray[np.bool_]
    ) -> None:
        """Count solved problems: (problem,) the row of each, its solution's size, its spares."""
        _count(rows, sizes, with_spares, self.table)

    @property
    def unsolved(self) -> NDArray[np.int32]:
        """(row,) problems without a solution."""
        return self.table[:, _UNSOLVED]


def total_counts(parts: list[NDArray[np.int64]]) -> ProblemCounts:
    """All problems of the given sums of `RowCounts` tables over their rows."""
    widest = max((part.size for part in parts), default=_SIZES)
    sums = np.zeros(widest, np.int64)
    for part in parts:
        sums[: part.size] += part
    histogram = np.trim_zeros(sums[_SIZES:], "b")
    unsolved = int(sums[_UNSOLVED])
    return ProblemCounts(
        int(histogram.sum()) + unsolved, unsolved, int(sums[_SPARE_USED]), histogram
    )
