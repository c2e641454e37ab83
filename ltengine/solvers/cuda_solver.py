"""Cell problems on a CUDA device.

Problems go to the device as rows, base sets and targets; cells are drawn there, and solutions come
back. Sizes are tried in stages, each for what the last one left open, so that no thread waits for
a neighbour's larger subsets. What would take one thread too long goes to the processor.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from math import comb
from typing import Any

import numpy as np
from numba import cuda

from ltengine.cell_problem import CellProblems, CellSolver
from ltengine.normal_quantile import normal_from_words
from ltengine.problem import Objective, SolutionBatch
from ltengine.solvers.cuda_kernel import MOST_CANDIDATES, search_cells
from ltengine.source import Distribution

THREADS_PER_BLOCK = 128
LARGEST_OF_FIRST_STAGE = 2
MOST_SUBSETS = 1 << 20
"""Of one size and problem: some tens of milliseconds of one thread."""
WORTH_A_LAUNCH = 2048
"""Fewer problems than this are done sooner on the processor."""


def _stages(candidates: int, largest: int, least_error: bool) -> list[tuple[int, int]]:
    """(smallest, largest) subset of each launch, as far as the device is to go."""
    last = 0
    while last < min(largest, candidates) and comb(candidates, last + 1) <= MOST_SUBSETS:
        last += 1
    if least_error:
        # the optimum may have any size, so all or none
        return [(0, last)] if last == min(largest, candidates) else []
    first = min(LARGEST_OF_FIRST_STAGE, last)
    return [(0, first), *((size, size) for size in range(first + 1, last + 1))]


class CudaCellSolver:
    """Exact for every subset size; leaves to ``host`` what does not suit the device."""

    problems_per_chunk = 1 << 19

    def __init__(self, host: CellSolver, *, worth_a_launch: int = WORTH_A_LAUNCH) -> None:
        self._host = host
        self._worth_a_launch = worth_a_launch

    @cached_property
    def _normal_cells(self) -> Any:
        """(2^24,) on the device: the normal cell of each word, by the one published routine."""
        words = np.arange(1 << 24, dtype=np.uint32) << np.uint32(8)
        return cuda.to_device(normal_from_words(words).astype(np.float32))

    @cached_property
    def _no_cells(self) -> Any:
        return cuda.device_array(0, np.float32)

    def solve(self, problems: CellProblems) -> SolutionBatch:
        """Solutions in the order of the problems."""
        candidates = problems.columns.shape[1]
        least_error = problems.objective is Objective.LEAST_ERROR
        stages = _stages(candidates, problems.largest_subset, least_error)
        suits = stages and 0 < candidates <= MOST_CANDIDATES
        if not suits or problems.rows.size < self._worth_a_launch:
            return self._host.solve(problems)
        solutions = self._search(problems, stages)
        if stages[-1][1] < min(problems.largest_subset, candidates):
            places = solutions.unsolved()
            rest = self._host.solve(problems.take(places))
            solutions.sizes[places] = rest.sizes
            solutions.choices[places] = rest.choices
        return solutions

    def _search(self, problems: CellProblems, stages: list[tuple[int, int]]) -> SolutionBatch:
        total, largest = problems.rows.size, problems.largest_subset
        seed = problems.source.seed
        normal = problems.source.distribution is Distribution.NORMAL
        posed = (
            cuda.to_device(np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint64)),
            self._normal_cells if normal else self._no_cells,
            problems.layer,
            *(
                cuda.to_device(np.ascontiguousarray(array))
                for array in (
                    problems.rows,
                    problems.base_sets,
                    problems.targets,
                    problems.columns,
                    problems.factors,
                    problems.counts,
                )
            ),
            np.int64(problems.tolerance),
        )
        sizes = cuda.device_array(total, np.int8)
        choices = cuda.device_array((total, largest), np.uint8)
        places, remaining = cuda.device_array(0, np.int32), total
        buffers = [cuda.device_array(total, np.int32) for _ in range(2)]
        for stage, (first, last) in enumerate(stages):
            open_places = buffers[stage % 2]
            counter = cuda.to_device(np.zeros(1, np.int32))
            blocks = -(-remaining // THREADS_PER_BLOCK)
            with warnings.catch_warnings():
                # numba warns of the last stages' small grids, which are what they should be
                warnings.filterwarnings("ignore", message="Grid size")
                search_cells[blocks, THREADS_PER_BLOCK](
                    *posed,
                    first,
                    last,
                    problems.objective is Objective.LEAST_ERROR,
                    places,
                    remaining,
                    sizes,
                    choices,
                    open_places,
                    counter,
                )
            remaining = int(counter.copy_to_host()[0])
            if remaining == 0:
                break
            places = open_places
        return SolutionBatch(sizes.copy_to_host(), choices.copy_to_host())
