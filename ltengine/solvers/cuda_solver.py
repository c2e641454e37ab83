"""Cell problems on a CUDA device.

Problems go to the device as rows, base sets and targets; cells are drawn there, and solutions come
back. Sizes are tried in stages, each for what the last one left open, so that no thread waits for
a neighbour's larger subsets. However few problems are left, a stage lasts as long as one thread
needs for one of them; so the last ones go to the processor, which meets in the middle.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from math import comb, prod
from typing import Any

import numba
import numpy as np
from numba import cuda
from numpy.typing import DTypeLike, NDArray

from ltengine.cell_problem import CellProblems, CellSolver
from ltengine.normal_quantile import normal_from_words
from ltengine.problem import Objective, SolutionBatch
from ltengine.solvers.cuda_kernel import MOST_CANDIDATES, search_cells
from ltengine.solvers.ordered_search import LARGEST_TOLERANCE
from ltengine.source import Distribution

THREADS_PER_BLOCK = 128
LARGEST_OF_FIRST_STAGE = 2
MOST_SUBSETS = 1 << 20
"""Of one size and problem: a tenth of a second of one thread."""
WORTH_A_LAUNCH = 1 << 15
"""Fewer problems than this are done sooner on the processor."""
SUBSET_SECONDS = 1e-7
"""Of one thread of the device, for each subset."""
HALF_SUM_SECONDS = 4e-8
"""Of one thread of the processor, for each of the 2^(m/2) sums of half a problem's candidates.

Both were measured on an H200 and 16 threads beside it; they decide about time, not results."""


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


class _KeptArrays:
    """Arrays on the device, kept from one call to the next: making one takes as long as filling it.

    What a call got is overwritten by the next one that asks for the same name.
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Any] = {}

    def room(self, name: str, shape: tuple[int, ...], kind: DTypeLike) -> Any:
        """An array on the device with anything in it; a name has one kind of elements."""
        size = prod(shape)
        kept = self._arrays.get(name)
        if kept is None or kept.size < size:
            kept = self._arrays[name] = cuda.device_array(1 << (size - 1).bit_length(), kind)
        return kept[:size] if len(shape) == 1 else kept[:size].reshape(shape)

    def put(self, name: str, array: NDArray[Any]) -> Any:
        """A copy on the device."""
        there = self.room(name, array.shape, array.dtype)
        there.copy_to_device(np.ascontiguousarray(array))
        return there


class CudaCellSolver:
    """Exact for every subset size; leaves to ``host`` what does not suit the device."""

    problems_per_chunk = 1 << 20

    def __init__(
        self,
        host: CellSolver,
        *,
        worth_a_launch: int = WORTH_A_LAUNCH,
        half_sum_seconds: float = HALF_SUM_SECONDS,
    ) -> None:
        self._host = host
        self._worth_a_launch = worth_a_launch
        self._half_sum_seconds = half_sum_seconds
        self._kept = _KeptArrays()

    @cached_property
    def _normal_cells(self) -> Any:
        """(2^24,) on the device: the normal cell of each word, by the one published routine."""
        words = np.arange(1 << 24, dtype=np.uint32) << np.uint32(8)
        return cuda.to_device(normal_from_words(words).astype(np.float32))

    @cached_property
    def _no_cells(self) -> Any:
        return cuda.device_array(0, np.float32)

    @cached_property
    def _no_places(self) -> Any:
        return cuda.device_array(0, np.int32)

    def solve(self, problems: CellProblems) -> SolutionBatch:
        """Solutions in the order of the problems."""
        candidates = problems.columns.shape[1]
        least_error = problems.objective is Objective.LEAST_ERROR
        stages = _stages(candidates, problems.largest_subset, least_error)
        if (
            not stages
            or not 0 < candidates <= MOST_CANDIDATES
            or problems.tolerance >= LARGEST_TOLERANCE
            or problems.rows.size < self._worth_a_launch
        ):
            return self._host.solve(problems)
        solutions, left = self._search(problems, stages)
        if left.size:
            rest = self._host.solve(problems.take(left))
            solutions.sizes[left] = rest.sizes
            solutions.choices[left] = rest.choices
        return solutions

    def _worth_a_stage(self, problems: int, candidates: int, size: int) -> bool:
        """Whether the device is to try the subsets of this size of so many problems."""
        host = problems * 2 ** (candidates / 2) * self._half_sum_seconds / numba.get_num_threads()
        return comb(candidates, size) * SUBSET_SECONDS < host

    def _search(
        self, problems: CellProblems, stages: list[tuple[int, int]]
    ) -> tuple[SolutionBatch, NDArray[np.int64]]:
        """Solutions, and the places of problems that only larger subsets than tried may solve."""
        total, largest = problems.rows.size, problems.largest_subset
        candidates = problems.columns.shape[1]
        kept = self._kept
        normal = problems.source.distribution is Distribution.NORMAL
        posed = (
            np.uint64(problems.source.seed),
            self._normal_cells if normal else self._no_cells,
            problems.layer,
            kept.put("rows", problems.rows),
            kept.put("base sets", problems.base_sets),
            kept.put("targets", problems.targets),
            kept.put("columns", problems.columns),
            kept.put("factors", problems.factors),
            kept.put("counts", problems.counts),
            np.int64(problems.tolerance),
        )
        sizes = kept.room("sizes", (total,), np.int8)
        choices = kept.room("choices", (total, largest), np.uint8)
        buffers = [kept.room(f"open {n}", (total,), np.int32) for n in range(2)]
        counts = kept.put("open", np.zeros(len(stages), np.int32))
        places, remaining = self._no_places, total
        for stage, (first, last) in enumerate(stages):
            blocks = -(-remaining // THREADS_PER_BLOCK)
            with warnings.catch_warnings():
                # numba warns, in colour, of the last stages' small grids, which are as they should
                warnings.filterwarnings("ignore", message=".*Grid size")
                search_cells[blocks, THREADS_PER_BLOCK](
                    *posed,
                    first,
                    last,
                    problems.objective is Objective.LEAST_ERROR,
                    places,
                    remaining,
                    sizes,
                    choices,
                    buffers[stage % 2],
                    counts,
                    stage,
                )
            remaining = int(counts.copy_to_host()[stage])
            places = buffers[stage % 2]
            if not self._worth_a_stage(remaining, candidates, last + 1):
                break
        left = 0 if last == min(largest, candidates) else remaining
        return (
            SolutionBatch(sizes.copy_to_host(), choices.copy_to_host()),
            np.sort(places[:left].copy_to_host()).astype(np.int64),
        )
