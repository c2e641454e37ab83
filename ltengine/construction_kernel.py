"""Compiled passes over problems: from a target's rows to problems, from solutions to cells."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(parallel=True, cache=True)
def pose_weights(rows, neurons, starts, weight, per_unit, out_rows, out_sets, out_targets):  # type: ignore[no-untyped-def]
    """One problem for each nonzero weight (and sign) of each row, in order of its inputs.

    Args:
        rows: (row,) source rows.
        neurons: (row,) the target neuron that each is a copy of.
        starts: (row,) the place of each row's first problem.
        weight: (neuron, unit) of the target layer.
        per_unit: base sets of each unit.
        out_rows: (problem,) is filled with source rows.
        out_sets: (problem,) is filled with base sets.
        out_targets: (problem,) is filled with weights.
    """
    for r in numba.prange(rows.size):
        p, row, values = starts[r], rows[r], weight[neurons[r]]
        for unit in range(values.size):
            if values[unit] != 0.0:
                for copy in range(per_unit):
                    out_rows[p] = row
                    out_sets[p] = unit * per_unit + copy
                    out_targets[p] = values[unit]
                    p += 1


def chosen_cells(
    problem_rows: NDArray[np.int64],
    base_sets: NDArray[np.int64],
    sizes: NDArray[np.int8],
    choices: NDArray[np.uint8],
    columns_of: NDArray[np.integer],
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(rows, columns) of every cell that a solution keeps.

    Args:
        problem_rows: (problem,) source rows.
        base_sets: (problem,) which base set a choice is of.
        sizes: (problem,) elements of each solution, or -1.
        choices: (problem, element) candidates.
        columns_of: (base set, candidate, link) the columns that a candidate keeps.
    """
    ends = np.cumsum(np.maximum(sizes, 0), dtype=np.int64) * columns_of.shape[2]
    cells = int(ends[-1]) if ends.size else 0
    rows, columns = np.empty(cells, np.int32), np.empty(cells, np.int32)
    _write_cells(problem_rows, base_sets, sizes, choices, columns_of, ends, rows, columns)
    return rows, columns


@numba.njit(parallel=True, cache=True)
def _write_cells(problem_rows, base_sets, sizes, choices, columns_of, ends, rows, columns):  # type: ignore[no-untyped-def]
    """Problem p fills rows and columns up to ends[p]."""
    links = columns_of.shape[2]
    for p in numba.prange(sizes.size):
        c = ends[p] - max(sizes[p], 0) * links
        for e in range(sizes[p]):
            for link in range(links):
                rows[c] = problem_rows[p]
                columns[c] = columns_of[base_sets[p], choices[p, e], link]
                c += 1
