"""Problems a second of the processor's solver, over a grid; one JSON object on standard output.

Each line of the grid stands beside two others of the same run: brute force in numpy, and the least
time that the additions up to the sizes found would take at this machine's measured peak rate.

Usage: python -m benchmarks.solver_throughput
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from math import comb
from typing import Any

import numba
import numpy as np

from ltengine.problem import FRACTION_BITS, ProblemBatch, SolutionBatch
from ltengine.solvers.cascade import CascadeSolver
from ltengine.solvers.lanes import LANES, make_rows, scan

REPEATS = 5
BRUTE_FORCE_SUBSETS = 1 << 27
GRID = [
    # candidates, tolerance, largest subset, problems
    (15, 1e-2, 14, 1 << 17),
    (20, 1e-2, 10, 1 << 18),
    (20, 1e-2, 20, 1 << 17),
    (15, 1e-3, 15, 1 << 14),
    (20, 1e-3, 20, 1 << 14),
    (20, 1e-4, 20, 1 << 12),
    (24, 1e-5, 24, 1 << 8),
    (28, 1e-6, 28, 1 << 5),
]


@numba.njit
def _scan_often(row, table, repeats):  # type: ignore[no-untyped-def]
    for repeat in range(repeats):
        scan(row, 0, row, 0, table, 0, table.shape[0], row, row, repeat)


def least_seconds(call: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Of several repeats, after one that warms up."""
    call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peak_additions() -> float:
    """Sums compared with a target a second, by all threads: the inner loop alone, in L1."""
    row, table, repeats = make_rows(1), make_rows(171), 20_000
    row[:], table[:] = 0, 1
    seconds = least_seconds(lambda: _scan_often(row, table, repeats))
    return float(numba.get_num_threads() * repeats * table.size / seconds)


def random_problems(
    distribution: str, candidates: int, tolerance: float, largest: int, problems: int
) -> ProblemBatch:
    """Targets uniform in [-1, 1]."""
    rng, unit = np.random.default_rng(0), 1 << FRACTION_BITS
    items = rng.uniform(-1, 1, (problems, candidates))
    if distribution == "product":
        items *= rng.uniform(-1, 1, items.shape)
    return ProblemBatch(
        np.rint(items * unit).astype(np.int32),
        np.full(problems, candidates),
        np.rint(rng.uniform(-1, 1, problems) * unit).astype(np.int32),
        int(tolerance * unit),
        largest,
    )


def additions(candidates: int, largest: int, solutions: SolutionBatch) -> int:
    """Sums of all subsets up to each solution's size (up to the largest where there is none)."""
    each = np.cumsum([comb(candidates, size) for size in range(largest + 1)])
    return int(each[solutions.sizes].sum())  # size -1 reads the last, as it should


def brute_force(batch: ProblemBatch) -> float:
    """Problems a second: every subset sum of some problems, by doubling, and the nearest."""
    candidates = batch.items.shape[1]
    problems = max(1, BRUTE_FORCE_SUBSETS >> (candidates + 2))

    def solve() -> None:
        for items, target in zip(batch.items[:problems], batch.targets, strict=False):
            sums = np.zeros(1, np.int64)
            for item in items:
                sums = np.concatenate((sums, sums + item))
            np.abs(sums - target).min()

    return float(min(problems, batch.targets.size) / least_seconds(solve, 1))


def measure(
    distribution: str, candidates: int, tolerance: float, largest: int, problems: int, peak: float
) -> dict[str, Any]:
    """One line of the grid."""
    batch = random_problems(distribution, candidates, tolerance, largest, problems)
    solver = CascadeSolver()
    seconds = least_seconds(lambda: solver.solve(batch))
    solutions = solver.solve(batch)
    needed = additions(candidates, largest, solutions)
    return {
        "distribution": distribution,
        "candidates": candidates,
        "tolerance": tolerance,
        "largest_subset": largest,
        "problems": problems,
        "unsolved": int((solutions.sizes < 0).sum()),
        "problems_per_second": problems / seconds,
        "core_microseconds_per_problem": 1e6 * seconds * numba.get_num_threads() / problems,
        "brute_force_problems_per_second": brute_force(batch) if candidates <= 20 else None,
        "enumeration_additions_per_problem": needed / problems,
        "enumeration_roofline_problems_per_second": peak * problems / needed,
    }


def main() -> None:
    """Measure the grid."""
    peak = peak_additions()
    lines = [
        measure(distribution, *line, peak)
        for distribution in ("uniform", "product")
        for line in GRID
    ]
    head = {"threads": numba.get_num_threads(), "lanes": LANES, "peak_additions_per_second": peak}
    print(json.dumps({**head, "grid": lines}, indent=1))


if __name__ == "__main__":
    main()
