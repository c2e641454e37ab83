"""Every solver against brute force: the optimum of DESIGN law 4, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltengine.problem import FRACTION_BITS, Objective, ProblemBatch, Solver
from ltengine.solvers import cascade
from ltengine.solvers.cascade import CascadeSolver
from ltengine.solvers.meet_in_the_middle import MeetInTheMiddleSolver
from tests.engine.subset_oracle import optima, same_solutions

UNIT = 1 << FRACTION_BITS
SOLVERS: list[Solver] = [CascadeSolver(), MeetInTheMiddleSolver()]
every_solver = pytest.mark.parametrize("solver", SOLVERS, ids=lambda s: type(s).__name__)
every_objective = pytest.mark.parametrize("objective", Objective, ids=lambda o: o.value)


def batch_of(
    items: np.ndarray,
    targets: np.ndarray,
    tolerance: int,
    largest: int,
    counts: np.ndarray | None = None,
    objective: Objective = Objective.SMALLEST_SUBSETS,
) -> ProblemBatch:
    if counts is None:
        counts = np.full(len(targets), items.shape[1])
    return ProblemBatch(
        items.astype(np.int32),
        counts.astype(np.int64),
        targets.astype(np.int32),
        tolerance,
        largest,
        objective,
    )


def random_items(rng: np.random.Generator, distribution: str, shape: tuple[int, int]) -> np.ndarray:
    """uniform, product of two uniforms, normal (0 where too large for the grid), few values."""
    values = rng.uniform(-1, 1, shape)
    if distribution == "product":
        values = values * rng.uniform(-1, 1, shape)
    elif distribution == "normal":
        values = rng.normal(size=shape)
        values[np.abs(values) >= 2] = 0
    elif distribution == "coarse":
        values = rng.integers(-8, 9, shape) / 8
    return np.rint(values * UNIT)


def random_batch(
    rng: np.random.Generator,
    distribution: str,
    candidates: int,
    problems: int,
    tolerance: float,
    largest: int,
    objective: Objective,
) -> ProblemBatch:
    """Half the targets drawn, a quarter planted, some 0; now and then fewer candidates."""
    items = random_items(rng, distribution, (problems, candidates))
    targets = np.rint(rng.uniform(-1.2, 1.2, problems) * UNIT)
    planted = (items * (rng.random(items.shape) < 0.3)).sum(axis=1)
    kind = rng.integers(0, 16, problems)
    targets = np.where((kind < 4) & (np.abs(planted) < 4 * UNIT), planted, targets)
    targets[kind == 4] = 0
    counts = np.full(problems, candidates)
    fewer = kind >= 12
    counts[fewer] = rng.integers(0, candidates + 1, int(fewer.sum()))
    return batch_of(items, targets, int(tolerance * UNIT), largest, counts, objective)


@every_solver
@every_objective
@pytest.mark.parametrize("distribution", ["uniform", "product", "normal", "coarse"])
@pytest.mark.parametrize("candidates", [1, 2, 3, 5, 8, 11])
def test_random_problems_have_the_oracle_s_optimum(
    solver: Solver, objective: Objective, distribution: str, candidates: int
) -> None:
    rng = np.random.default_rng(candidates)
    for tolerance in (0.01, 0.001):
        for largest in (candidates, 4):
            batch = random_batch(rng, distribution, candidates, 100, tolerance, largest, objective)

            assert same_solutions(solver.solve(batch), optima(batch))


@pytest.mark.slow
@every_solver
@every_objective
@pytest.mark.parametrize("distribution", ["uniform", "product", "normal", "coarse"])
@pytest.mark.parametrize(
    ("candidates", "tolerance"), [(6, 0.01), (10, 0.01), (12, 0.001), (14, 1e-4)]
)
def test_ten_thousand_problems_have_the_oracle_s_optimum(
    solver: Solver, objective: Objective, distribution: str, candidates: int, tolerance: float
) -> None:
    rng = np.random.default_rng(candidates)
    batch = random_batch(rng, distribution, candidates, 10_000, tolerance, candidates, objective)

    assert same_solutions(solver.solve(batch), optima(batch))


@every_solver
@every_objective
@given(
    items=st.lists(st.integers(-6, 6), min_size=1, max_size=9),
    target=st.integers(-14, 14),
    tolerance=st.integers(0, 3),
    largest=st.integers(1, 9),
)
@settings(max_examples=100, deadline=None)
def test_ties_fall_as_the_law_says(
    solver: Solver,
    objective: Objective,
    items: list[int],
    target: int,
    tolerance: int,
    largest: int,
) -> None:
    """Few distinct values make equal sums and equal errors common."""
    batch = batch_of(np.array([items]), np.array([target]), tolerance, largest, objective=objective)

    assert same_solutions(solver.solve(batch), optima(batch))


@every_solver
@every_objective
def test_sums_that_wrap_around_in_32_bits_are_no_solutions(
    solver: Solver, objective: Objective
) -> None:
    """Nine items near 2 sum up to 16 more than the target, which 32 bits cannot tell from it."""
    rng = np.random.default_rng(4)
    items = np.rint(rng.uniform(1.7, 1.99, (300, 12)) * UNIT)
    targets = items[:, :9].sum(axis=1) - 16 * UNIT
    items[150:, 9:] = np.rint(rng.uniform(-0.5, 0.5, (150, 3)) * UNIT)
    batch = batch_of(items, targets, int(0.02 * UNIT), 12, objective=objective)

    found = solver.solve(batch)

    assert same_solutions(found, optima(batch))
    assert (found.sizes < 0).any()


@every_solver
@every_objective
@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_a_sum_half_the_range_of_32_bits_off_is_no_solution(
    solver: Solver, objective: Objective, size: int
) -> None:
    """-2^31 is its own absolute value in 32 bits, and below every tolerance if taken as signed."""
    items = np.full((1, size), UNIT + UNIT // 2 + UNIT // 4)
    targets = items.sum(axis=1) - 8 * UNIT
    batch = batch_of(items, targets, 5, size, objective=objective)

    assert same_solutions(solver.solve(batch), optima(batch))


@every_solver
@every_objective
def test_nothing_can_be_posed(solver: Solver, objective: Objective) -> None:
    """No problems at all, and problems without candidates."""
    empty = batch_of(np.zeros((0, 5)), np.zeros(0), 3, 4, objective=objective)
    bare = batch_of(np.zeros((3, 0)), np.array([0, 3, 4]), 3, 4, objective=objective)

    assert solver.solve(empty).sizes.size == 0
    assert solver.solve(bare).sizes.tolist() == [0, 0, -1]


@pytest.mark.parametrize("size", range(1, 11))
def test_planted_subsets_are_found(size: int) -> None:
    rng = np.random.default_rng(size)
    items = random_items(rng, "uniform", (40, 20))
    planted = np.array([rng.permutation(20)[:size] for _ in range(40)])
    targets = np.take_along_axis(items, planted, 1).sum(1)
    reachable = np.abs(targets) < 4 * UNIT
    batch = batch_of(items[reachable], targets[reachable], 0, 10)

    found = CascadeSolver().solve(batch)

    for p, chosen in enumerate(found.choices):
        assert 0 <= found.sizes[p] <= size
        assert batch.items[p, chosen[: found.sizes[p]]].sum() == batch.targets[p]


@every_objective
def test_both_solvers_agree_on_the_working_size(objective: Objective) -> None:
    rng = np.random.default_rng(7)
    batch = random_batch(rng, "product", 20, 2000, 0.01, 10, objective)

    assert same_solutions(CascadeSolver().solve(batch), MeetInTheMiddleSolver().solve(batch))


@every_objective
@pytest.mark.parametrize("most_enumerated", [1_000, 30_000])
def test_where_enumeration_stops_changes_nothing(
    most_enumerated: int, objective: Objective, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(9)
    batch = random_batch(rng, "uniform", 17, 500, 1e-4, 17, objective)
    expected = CascadeSolver().solve(batch)

    monkeypatch.setattr(cascade, "MOST_ENUMERATED", most_enumerated)
    monkeypatch.setattr(cascade, "MOST_ENUMERATED_FOR_LEAST_ERROR", most_enumerated)

    assert same_solutions(CascadeSolver().solve(batch), expected)


def test_a_solution_depends_on_its_problem_alone() -> None:
    """Neighbours in the batch, and their number of candidates, change nothing."""
    rng = np.random.default_rng(10)
    batch = random_batch(rng, "uniform", 14, 700, 0.005, 8, Objective.SMALLEST_SUBSETS)
    together = CascadeSolver().solve(batch)
    picked = rng.permutation(700)[:37]

    apart = CascadeSolver().solve(batch.take(picked))

    assert (apart.sizes == together.sizes[picked]).all()
    assert (apart.choices == together.choices[picked]).all()


def test_the_least_error_is_never_above_that_of_the_smallest_subset() -> None:
    rng = np.random.default_rng(11)
    smallest = random_batch(rng, "uniform", 16, 300, 0.01, 10, Objective.SMALLEST_SUBSETS)
    least = replace(smallest, objective=Objective.LEAST_ERROR)
    errors = []
    for batch in (smallest, least):
        found = CascadeSolver().solve(batch)
        chosen = np.where(np.arange(10) < found.sizes[:, None], found.choices, batch.items.shape[1])
        padded = np.pad(batch.items.astype(np.int64), ((0, 0), (0, 1)))
        sums = np.take_along_axis(padded, chosen.astype(np.int64), 1).sum(axis=1)
        errors.append(np.where(found.sizes >= 0, np.abs(sums - batch.targets), 0))

    assert (errors[1] <= errors[0]).all()
    assert errors[1].sum() < errors[0].sum() / 5


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
