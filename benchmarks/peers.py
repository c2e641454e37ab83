"""Brute force beside our solver on the same problems, and this machine's measured peaks.

python -m benchmarks.peers
"""

from __future__ import annotations

import json
import time
from typing import Any

import numba
import numpy as np

from ltengine.pipeline import warm_up
from ltengine.problem import FRACTION_BITS, ProblemBatch, fixed_point_targets, fixed_point_tolerance
from ltengine.solvers.cascade import CascadeSolver

CANDIDATES, TOLERANCE, LARGEST_SUBSET = 20, 0.01, 10
PROBLEMS, BRUTE_FORCE_PROBLEMS = 200_000, 200
REPEATS = 5


@numba.njit(parallel=True)
def _brute_force(items, targets, tolerance, largest, sizes):  # type: ignore[no-untyped-def]
    """The size of each problem's smallest subset, by looking at all 2^m of them."""
    m = items.shape[1]
    for p in numba.prange(targets.size):
        sums = np.zeros(1 << m, np.int32)
        counts = np.zeros(1 << m, np.int8)
        best = largest + 1
        for subset in range(1 << m):
            if subset:
                low = 0
                while not (subset >> low) & 1:
                    low += 1
                rest = subset & (subset - 1)
                sums[subset] = sums[rest] + items[p, low]
                counts[subset] = counts[rest] + 1
            if abs(sums[subset] - targets[p]) <= tolerance and counts[subset] < best:
                best = counts[subset]
        sizes[p] = best if best <= largest else -1


@numba.njit(parallel=True)
def _inspect(values, rounds, least):  # type: ignore[no-untyped-def]
    """Subtract, take the size, take the least: what each subset sum costs at the very least."""
    for chunk in numba.prange(least.size):
        best = np.int32(2**31 - 1)
        for round_ in range(rounds):
            target = np.int32(round_ + chunk)
            for q in range(values.size):
                gap = np.int32(values[q] - target)
                best = np.int32(min(best, np.int32(max(gap, np.int32(-gap)))))
        least[chunk] = best


@numba.njit(parallel=True)
def _copy(source, sink):  # type: ignore[no-untyped-def]
    for i in numba.prange(source.size):
        sink[i] = source[i]


def _fastest(call: Any, repeats: int = REPEATS) -> float:
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def measure() -> dict[str, Any]:
    """Problems per second of both, and peaks: subset sums inspected, bytes copied, per second.

    Raises:
        RuntimeError: the two disagree.
    """
    warm_up()
    rng = np.random.default_rng(0)
    scale = 2.0**FRACTION_BITS
    items = np.rint(rng.uniform(-1, 1, (PROBLEMS, CANDIDATES)) * scale).astype(np.int32)
    batch = ProblemBatch(
        items,
        np.full(PROBLEMS, CANDIDATES),
        fixed_point_targets(rng.uniform(-1, 1, PROBLEMS)),
        fixed_point_tolerance(TOLERANCE, LARGEST_SUBSET),
        LARGEST_SUBSET,
    )
    sample = batch.take(np.arange(BRUTE_FORCE_PROBLEMS))
    sizes = np.empty(BRUTE_FORCE_PROBLEMS, np.int8)
    solver = CascadeSolver()

    def brute_force() -> None:
        _brute_force(sample.items, sample.targets, sample.tolerance, LARGEST_SUBSET, sizes)

    brute_seconds = _fastest(brute_force, 2)
    if not (sizes == solver.solve(sample).sizes).all():
        raise RuntimeError("brute force and the solver disagree")
    solver_seconds = _fastest(lambda: solver.solve(batch))
    values, least = np.arange(4096, dtype=np.int32), np.empty(64, np.int32)
    inspect_seconds = _fastest(lambda: _inspect(values, 1000, least))
    source, sink = np.ones(1 << 25), np.empty(1 << 25)
    copy_seconds = _fastest(lambda: _copy(source, sink))
    return {
        "problems_per_second": round(PROBLEMS / solver_seconds),
        "brute_force_problems_per_second": round(BRUTE_FORCE_PROBLEMS / brute_seconds, 1),
        "sums_inspected_per_second": round(values.size * 1000 * least.size / inspect_seconds),
        "bytes_copied_per_second": round(2 * source.nbytes / copy_seconds),
        "threads": numba.get_num_threads(),
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
