"""The failure model: never below what is measured, and not wildly above it."""

from __future__ import annotations

import numpy as np
import pytest

from ltengine import layer_solver
from ltengine.errors import UnsolvedProblemsError
from ltengine.failure import (
    DISJOINT_WINDOWS,
    LARGEST_WINDOW,
    choose_candidates,
    expected_unsolved,
    failure_probability,
)
from ltengine.layer_solver import spare_offers
from ltengine.problem import (
    UNSOLVED,
    ProblemBatch,
    fixed_point_targets,
    fixed_point_tolerance,
)
from ltengine.solvers.cascade import CascadeSolver
from ltengine.statistics.measurement import measure, wilson_interval
from ltengine.statistics.question import Distribution, StatisticsQuestion
from ltengine.statistics.random_problems import random_items

OTHER_SEED = 77
DISTRIBUTIONS = ["uniform", "uniform_product", "normal", "normal_product"]


def probability(
    distribution: Distribution, candidates: int, tolerance: float, target: float, largest: int = 10
) -> float:
    targets = np.array([target])
    return float(failure_probability(distribution, candidates, tolerance, targets, largest)[0])


# on the table's grid and off it in candidates, tolerance and target
QUESTIONS: list[tuple[Distribution, int, float, float]] = [
    ("uniform", 10, 0.01, 0.5),
    ("uniform", 13, 0.003, 0.7),
    ("uniform", 15, 0.001, 0.3),
    ("uniform", 18, 0.0003, 1.2),
    ("uniform_product", 11, 0.01, 0.1),
    ("uniform_product", 15, 0.005, 0.8),
    ("uniform_product", 20, 0.01, 1.0),
    ("uniform_product", 17, 0.0005, 0.6),
    ("normal", 13, 0.002, 0.7),
    ("normal_product", 15, 0.005, 0.8),
]


@pytest.mark.parametrize(("distribution", "candidates", "tolerance", "target"), QUESTIONS)
def test_the_model_is_above_fresh_measurements_but_not_by_much(
    distribution: Distribution, candidates: int, tolerance: float, target: float
) -> None:
    row = measure(
        StatisticsQuestion(
            distribution=distribution,
            candidates=candidates,
            tolerance=tolerance,
            target=target,
            largest_subset=10,
            trials=6000,
            seed=OTHER_SEED,
        )
    )

    low, high = wilson_interval(row.failures, row.trials)

    stated = probability(distribution, candidates, tolerance, target)
    assert low * 0.9 <= stated <= 2.5 * high


def conditional_failures(
    distribution: Distribution, target: float, candidates: int, *, walkers: int
) -> float:
    """The failure rate at tolerance .01, far below what plain sampling could see.

    Only base sets that fail are extended, one candidate at a time, so the rate is the product of
    the shares that go on failing.
    """
    rng = np.random.default_rng(3)
    solver, rate, failing = CascadeSolver(), 1.0, np.zeros((walkers, 0), np.int32)
    pool = random_items(OTHER_SEED, distribution, np.arange(walkers), candidates)
    for size in range(8, candidates + 1):
        # cells of fresh problems, so that no walker sees a candidate twice
        fresh = pool[rng.permutation(walkers)]
        start = failing.shape[1]
        items = np.concatenate((failing, fresh[:, start:size]), axis=1)
        batch = ProblemBatch(
            np.ascontiguousarray(items),
            np.full(walkers, size),
            fixed_point_targets(np.full(walkers, target)),
            fixed_point_tolerance(0.01, 10),
            10,
        )
        unsolved = items[solver.solve(batch).sizes == UNSOLVED]
        rate *= len(unsolved) / walkers
        failing = unsolved[rng.integers(0, len(unsolved), walkers)]
    return rate


@pytest.mark.parametrize(
    ("distribution", "target", "candidates"),
    [
        ("uniform", 0.05, 20),
        ("uniform", 0.5, 24),
        ("uniform", 1.5, 25),
        ("uniform_product", 0.05, 20),
        ("uniform_product", 0.25, 24),
        ("uniform_product", 1.0, 26),
    ],
)
def test_extrapolation_agrees_with_rare_events_sampled_by_splitting(
    distribution: Distribution, target: float, candidates: int
) -> None:
    rate = conditional_failures(distribution, target, candidates, walkers=1500)

    stated = probability(distribution, candidates, 0.01, target)

    assert 0.7 * rate <= stated <= 12 * rate


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_more_of_anything_that_helps_never_hurts(distribution: Distribution) -> None:
    by_candidates = [probability(distribution, n, 0.003, 0.7) for n in range(1, 60)]
    assert by_candidates == sorted(by_candidates, reverse=True)
    by_tolerance = [probability(distribution, 18, e, 0.7) for e in (1e-7, 1e-5, 2e-4, 0.01, 0.02)]
    assert by_tolerance == sorted(by_tolerance, reverse=True)
    by_size = [probability(distribution, 18, 0.001, 0.7, k) for k in range(1, 19)]
    assert by_size == sorted(by_size, reverse=True)
    targets = np.array([0.001, 0.01, 0.05, 0.3, 0.9, 1.6, 2.5, 4.0])
    by_target = failure_probability(distribution, 20, 0.01, targets, 10)
    assert (by_target[:2] == 0).all()
    assert (np.diff(by_target) >= 0).all()
    assert by_target[-1] <= 1


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_no_rate_falls_faster_than_that_of_all_candidates_having_the_wrong_sign(
    distribution: Distribution,
) -> None:
    for target in (0.05, 0.5, 2.0):
        for candidates in range(24, 64):
            fall = probability(distribution, candidates, 0.01, target) / probability(
                distribution, candidates + 1, 0.01, target
            )
            assert fall <= 2.0 + 1e-9


def test_windows_of_candidates_are_those_of_the_construction() -> None:
    offers = list(spare_offers(20, 20 + 60))

    assert layer_solver.LARGEST_OFFER == LARGEST_WINDOW
    assert max(last - first for first, last in offers) == LARGEST_WINDOW
    assert min(first for first, _ in offers if first >= LARGEST_WINDOW) == DISJOINT_WINDOWS


def test_the_sum_over_problems_is_that_of_their_probabilities() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(0, 0.3, (40, 30))

    total = expected_unsolved("uniform", 16, 0.004, targets, 7.0, 10)

    exact = 7 * failure_probability("uniform", 16, 0.004, targets, 10).sum()
    assert exact <= total <= 1.1 * exact


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("tolerance", [0.01, 0.001, 1e-5])
def test_the_choice_is_the_smallest_that_keeps_the_promise(
    distribution: Distribution, tolerance: float
) -> None:
    targets = np.random.default_rng(1).uniform(-1, 1, 1000)

    choice = choose_candidates(distribution, tolerance, targets, 20.0, 0.05, 10)

    assert choice.expected_unsolved <= 0.05
    fewer = expected_unsolved(distribution, choice.candidates - 4, tolerance, targets, 20.0, 10)
    assert fewer > 0.05
    assert choice.size <= 32
    offered = [(0, choice.size), *spare_offers(choice.size, choice.candidates)]
    assert max(last for _, last in offered) == choice.candidates


def failing_seeds(
    distribution: Distribution, candidates: int, size: int, targets: np.ndarray
) -> int:
    """Of 200 sources, how many leave a problem unsolved with base set and spares."""
    solver, tolerance = CascadeSolver(), fixed_point_tolerance(0.01, 10)
    problems = np.arange(200 * targets.size)
    items = random_items(OTHER_SEED, distribution, problems, candidates)
    goals = fixed_point_targets(np.tile(targets, 200))
    for first, last in [(0, min(size, candidates)), *spare_offers(size, candidates)]:
        offered = np.ascontiguousarray(items[problems, first:last])
        counts = np.full(problems.size, last - first)
        batch = ProblemBatch(offered, counts, goals[problems], tolerance, 10)
        problems = problems[solver.solve(batch).sizes == UNSOLVED]
    return int(np.unique(problems // targets.size).size)


@pytest.mark.parametrize("distribution", ["uniform", "uniform_product"])
def test_the_promise_is_kept_over_200_sources_and_clearly_broken_at_half_the_width(
    distribution: Distribution,
) -> None:
    targets = np.random.default_rng(1).uniform(-1, 1, 60)
    choice = choose_candidates(distribution, 0.01, targets, 1.0, 0.05, 10)

    kept = failing_seeds(distribution, choice.candidates, choice.size, targets)
    broken = failing_seeds(distribution, choice.candidates // 2, choice.size, targets)

    assert wilson_interval(kept, 200)[0] <= 0.05
    assert wilson_interval(broken, 200)[0] > 0.05


def test_few_easy_problems_need_no_spares() -> None:
    choice = choose_candidates("uniform", 0.01, np.array([0.2]), 1.0, 0.01, 10)

    assert choice.spares == 0
    assert 8 <= choice.size <= 20


def test_parameters_within_the_tolerance_cost_nothing() -> None:
    choice = choose_candidates("uniform", 0.01, np.full(10**5, 0.002), 1.0, 1e-9, 10)

    assert (choice.candidates, choice.expected_unsolved) == (1, 0.0)


def test_what_no_number_of_candidates_can_reach_is_refused() -> None:
    with pytest.raises(UnsolvedProblemsError, match="largest_subset"):
        choose_candidates("uniform", 1e-5, np.array([0.5]), 1.0, 0.01, 1)
