"""What a device runs for each problem, compiled for the processor, against the oracle."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltengine.problem import FRACTION_BITS, ProblemBatch, SolutionBatch
from ltengine.solvers.cascade import CascadeSolver
from ltengine.solvers.ordered_search import search_sizes
from tests.engine.subset_oracle import least_errors, same_solutions, smallest_subsets

UNIT = 1 << FRACTION_BITS


@numba.njit
def _search(items, counts, targets, tolerance, stages, least_error, sizes, choices):  # type: ignore[no-untyped-def]
    heads, rests = np.empty(32, np.int32), np.empty(32, np.int64)
    for p in range(targets.size):
        for s in range(stages.shape[0]):
            if sizes[p] < 0:
                sizes[p] = search_sizes(
                    items[p],
                    counts[p],
                    targets[p],
                    tolerance,
                    stages[s, 0],
                    stages[s, 1],
                    least_error,
                    heads,
                    rests,
                    choices[p],
                )


def search(
    batch: ProblemBatch,
    *,
    least_error: bool = False,
    stages: list[tuple[int, int]] | None = None,
) -> SolutionBatch:
    found = SolutionBatch.empty(batch.targets.size, batch.largest_subset)
    _search(
        batch.items,
        batch.counts,
        batch.targets,
        batch.tolerance,
        np.array(stages or [(0, batch.largest_subset)]),
        least_error,
        found.sizes,
        found.choices,
    )
    return found


def random_batch(
    seed: int, problems: int, candidates: int, tolerance: float, largest: int, *, product: bool
) -> ProblemBatch:
    """Random items; a third of the targets is planted, some are near 0, some are out of reach."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, (problems, candidates))
    if product:
        values *= rng.uniform(-1, 1, values.shape)
    items = np.rint(values * UNIT).astype(np.int32)
    counts = rng.integers(0, candidates + 1, problems)
    counts[::2] = candidates
    targets = rng.uniform(-1.2, 1.2, problems)
    targets[1::10] *= tolerance
    targets[2::10] = 3.9
    chosen = rng.random(items.shape) < 0.3
    chosen &= np.arange(candidates) < counts[:, None]
    planted = np.clip((items * chosen).sum(axis=1), -4 * UNIT, 4 * UNIT)
    targets = np.rint(targets * UNIT)
    targets[::3] = planted[::3]
    return ProblemBatch(
        items, counts.astype(np.int64), targets.astype(np.int32), int(tolerance * UNIT), largest
    )


@pytest.mark.parametrize("least_error", [False, True])
@pytest.mark.parametrize("product", [False, True])
@pytest.mark.parametrize("tolerance", [0.02, 1e-3, 1e-6])
@pytest.mark.parametrize(("candidates", "largest"), [(1, 1), (3, 10), (8, 4), (12, 12)])
def test_random_and_planted_problems_have_the_oracle_s_optimum(
    candidates: int, largest: int, tolerance: float, product: bool, least_error: bool
) -> None:
    batch = random_batch(candidates, 600, candidates, tolerance, largest, product=product)
    oracle = least_errors if least_error else smallest_subsets

    assert same_solutions(search(batch, least_error=least_error), oracle(batch))


@given(
    items=st.lists(st.integers(-6, 6), min_size=1, max_size=9),
    target=st.integers(-14, 14),
    tolerance=st.integers(0, 3),
    largest=st.integers(1, 9),
    least_error=st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_ties_fall_as_the_law_says(
    items: list[int], target: int, tolerance: int, largest: int, least_error: bool
) -> None:
    """Few distinct values make equal sums and equal errors common."""
    batch = ProblemBatch(
        np.array([items], np.int32),
        np.array([len(items)]),
        np.array([target], np.int32),
        tolerance,
        largest,
    )
    oracle = least_errors if least_error else smallest_subsets

    assert same_solutions(search(batch, least_error=least_error), oracle(batch))


def test_sizes_in_stages_change_nothing() -> None:
    batch = random_batch(3, 2000, 11, 1e-3, 9, product=True)
    stages = [(0, 2), (3, 3), (4, 4), (5, 7), (8, 9)]

    assert same_solutions(search(batch, stages=stages), search(batch))


@pytest.mark.parametrize(("tolerance", "largest"), [(0.01, 10), (1e-3, 7)])
def test_the_working_size_agrees_with_the_processor_s_solver(
    tolerance: float, largest: int
) -> None:
    batch = random_batch(4, 2000, 20, tolerance, largest, product=True)

    assert same_solutions(search(batch), CascadeSolver().solve(batch))
