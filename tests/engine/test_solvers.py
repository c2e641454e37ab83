"""Every solver against brute force: the optimum of DESIGN law 4, bit for bit."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltengine.problem import FRACTION_BITS, ProblemBatch, Solver
from ltengine.solvers.cascade import CascadeSolver
from ltengine.solvers.enumeration import EnumerationSolver
from ltengine.solvers.meet_in_the_middle import MeetInTheMiddleSolver

UNIT = 1 << FRACTION_BITS
COMPLETE_SOLVERS = [CascadeSolver(), MeetInTheMiddleSolver()]


def smallest_subset(
    items: list[int], target: int, tolerance: int, largest: int
) -> tuple[int, ...] | None:
    """The oracle: all subsets in order of size and index tuple, in Python integers."""
    for size in range(min(largest, len(items)) + 1):
        best = None
        for subset in combinations(range(len(items)), size):
            error = abs(sum(items[i] for i in subset) - target)
            if error <= tolerance and (best is None or error < best[0]):
                best = (error, subset)
        if best is not None:
            return best[1]
    return None


def batch_of(
    items: np.ndarray,
    targets: np.ndarray,
    tolerance: int,
    largest: int,
    counts: np.ndarray | None = None,
) -> ProblemBatch:
    if counts is None:
        counts = np.full(len(targets), items.shape[1])
    return ProblemBatch(
        items.astype(np.int32),
        counts.astype(np.int64),
        targets.astype(np.int32),
        tolerance,
        largest,
    )


def solved(solver: Solver, batch: ProblemBatch) -> list[tuple[int, ...] | None]:
    result = solver.solve(batch)
    return [
        None if size < 0 else tuple(int(c) for c in choice[:size])
        for size, choice in zip(result.sizes, result.choices, strict=True)
    ]


def oracle(batch: ProblemBatch, largest: int) -> list[tuple[int, ...] | None]:
    return [
        smallest_subset([int(v) for v in items[:count]], int(target), batch.tolerance, largest)
        for items, count, target in zip(batch.items, batch.counts, batch.targets, strict=True)
    ]


def random_items(rng: np.random.Generator, distribution: str, shape: tuple[int, int]) -> np.ndarray:
    uniform = rng.uniform(-1, 1, shape)
    if distribution == "product":
        uniform = uniform * rng.uniform(-1, 1, shape)
    return np.rint(uniform * UNIT)


@pytest.mark.parametrize("solver", COMPLETE_SOLVERS, ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("distribution", ["uniform", "product"])
@pytest.mark.parametrize("tolerance", [0.01, 0.001])
@pytest.mark.parametrize("candidates", [1, 2, 3, 5, 8, 11])
def test_random_problems_have_the_oracle_s_optimum(
    solver: Solver, distribution: str, tolerance: float, candidates: int
) -> None:
    rng = np.random.default_rng(candidates)
    items = random_items(rng, distribution, (60, candidates))
    batch = batch_of(items, rng.uniform(-1.2, 1.2, 60) * UNIT, int(tolerance * UNIT), 10)

    found = solved(solver, batch)

    assert found == oracle(batch, 10)


@pytest.mark.parametrize("solver", COMPLETE_SOLVERS, ids=lambda s: type(s).__name__)
@given(
    items=st.lists(st.integers(-6, 6), min_size=1, max_size=9),
    target=st.integers(-14, 14),
    tolerance=st.integers(0, 3),
    largest=st.integers(1, 9),
)
@settings(max_examples=300, deadline=None)
def test_ties_fall_as_the_law_says(
    solver: Solver, items: list[int], target: int, tolerance: int, largest: int
) -> None:
    """Few distinct values make equal sums and equal errors common."""
    batch = batch_of(np.array([items]), np.array([target]), tolerance, largest)

    found = solved(solver, batch)

    assert found == oracle(batch, largest)


@pytest.mark.parametrize("size", range(1, 11))
def test_planted_subsets_are_found(size: int) -> None:
    rng = np.random.default_rng(size)
    items = random_items(rng, "uniform", (40, 20))
    planted = np.array([rng.permutation(20)[:size] for _ in range(40)])
    targets = np.take_along_axis(items, planted, 1).sum(1)
    reachable = np.abs(targets) < 4 * UNIT
    batch = batch_of(items[reachable], targets[reachable], 0, 10)

    result = CascadeSolver().solve(batch)

    for p, chosen in enumerate(solved(CascadeSolver(), batch)):
        assert chosen is not None
        assert len(chosen) <= size
        assert sum(int(batch.items[p, c]) for c in chosen) == int(batch.targets[p])
    assert (result.sizes >= 0).all()


def test_only_the_offered_candidates_are_used() -> None:
    rng = np.random.default_rng(5)
    items = random_items(rng, "uniform", (200, 12))
    counts = rng.integers(1, 13, 200)
    batch = batch_of(items, rng.uniform(-1, 1, 200) * UNIT, int(0.02 * UNIT), 6, counts)

    found = solved(CascadeSolver(), batch)

    assert found == oracle(batch, 6)


def test_enumeration_agrees_up_to_its_four_elements() -> None:
    rng = np.random.default_rng(6)
    batch = batch_of(
        random_items(rng, "uniform", (100, 10)),
        rng.uniform(-1, 1, 100) * UNIT,
        int(0.005 * UNIT),
        8,
    )

    assert solved(EnumerationSolver(), batch) == oracle(batch, 4)


def test_both_complete_solvers_agree_on_the_working_size() -> None:
    rng = np.random.default_rng(7)
    batch = batch_of(
        random_items(rng, "product", (3000, 20)),
        rng.uniform(-1, 1, 3000) * UNIT,
        int(0.01 * UNIT),
        10,
    )

    assert solved(CascadeSolver(), batch) == solved(MeetInTheMiddleSolver(), batch)


def test_failure_rate_and_sizes_match_the_published_statistics() -> None:
    """15 uniform variables, eps .01, up to 14 elements: the reference code's own 100,000 problems
    failed in 0.404 % and used 2.29 elements on average (sizes 0..6: 1033, 13713, 44922, ...)."""
    rng = np.random.default_rng(8)
    problems = 50_000
    batch = batch_of(
        random_items(rng, "uniform", (problems, 15)),
        rng.uniform(-1, 1, problems) * UNIT,
        int(0.01 * UNIT),
        14,
    )

    sizes = CascadeSolver().solve(batch).sizes

    assert np.mean(sizes < 0) == pytest.approx(0.00404, abs=4 * np.sqrt(0.00404 / problems))
    assert sizes[sizes >= 0].mean() == pytest.approx(2.29, abs=0.02)
    expected = np.array([1033, 13713, 44922, 35783, 4101]) / 100_000
    observed = np.bincount(sizes[sizes >= 0], minlength=5)[:5] / problems
    assert observed == pytest.approx(expected, abs=0.01)
