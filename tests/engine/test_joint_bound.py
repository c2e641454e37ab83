"""Joint bounds against every corner of small boxes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltengine import joint_bound
from ltengine.joint_bound import (
    Remainder,
    joint_sums,
    largest_eigenvalue,
    scaled_norm,
    stack_remainders,
    total_sums,
)
from ltengine.sparse_rows import from_dense

CORNERS = np.array(list(itertools.product([-1.0, 1.0], repeat=8))).T


@st.composite
def weighted_errors(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = draw(st.integers(1, 30))
    linear = rng.standard_normal((rows, 8)) * rng.choice([0.0, 1e-6, 1.0, 50.0], (rows, 1))
    linear *= rng.random(linear.shape) < draw(st.sampled_from([0.2, 1.0]))
    weights = rng.exponential(1.0, (3, rows)) * (rng.random((3, rows)) < 0.7)
    return weights, linear


@settings(deadline=None, max_examples=200)
@given(weighted_errors())
def test_joint_sums_hold_at_every_corner(case: tuple[np.ndarray, np.ndarray]) -> None:
    weights, linear = case
    worst = (weights @ np.abs(linear @ CORNERS)).max(1)
    alone = weights @ np.abs(linear).sum(1)
    rows = from_dense(linear)

    for bound in (joint_sums(weights, rows), joint_bound._sums_of_group(weights, rows)):
        assert (worst <= bound * (1 + 1e-12)).all()
        assert (bound <= alone * (1 + 1e-12)).all()


def test_mixed_signs_gain_and_equal_signs_are_attained() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.choice([-1.0, 1.0], (200, 200))
    equal = np.ones((200, 200))
    weights = np.ones((1, 200))

    assert joint_sums(weights, from_dense(mixed))[0] < 0.2 * 200 * 200
    assert joint_sums(weights, from_dense(equal))[0] == pytest.approx(200 * 200)


@pytest.mark.parametrize("density", [0.05, 0.5])
@pytest.mark.parametrize("shape", [(25, 40), (40, 25), (3000, 70), (150, 150)])
def test_a_scaled_norm_is_that_of_the_singular_values(
    shape: tuple[int, int], density: float
) -> None:
    rng = np.random.default_rng(1)
    matrix = rng.standard_normal(shape) * (rng.random(shape) < density)
    matrix[:, 0] = 1.0
    matrix[:, 1] = 0.0
    rows, columns = np.abs(matrix).sum(1), np.abs(matrix).sum(0)
    scaled = matrix / np.sqrt(rows)[:, None] / np.sqrt(np.maximum(columns, 1e-300))
    exact = float(np.linalg.svd(scaled)[1][0])

    found = scaled_norm(from_dense(matrix), rows, columns)

    assert exact <= found <= min(1.0, 1.04 * exact)


@pytest.mark.parametrize("size", [1, 2, 63, 64, 65, 200])
def test_an_eigenvalue_s_bound_is_proved_and_close(size: int) -> None:
    half = np.random.default_rng(size).standard_normal((size, size + 5))
    square = half @ half.T
    square *= 0.5 / np.linalg.eigvalsh(square)[-1]

    assert 0.5 <= largest_eigenvalue(square.astype(np.float32)) + 1e-6 <= 0.53


def test_errors_of_a_layer_pass_on_to_the_layer_below() -> None:
    """Two layers of affine errors, the upper ones with shares of the lower: every corner holds."""
    rng = np.random.default_rng(2)
    slopes, share = rng.standard_normal((10, 8)), rng.random((4, 6))
    low = Remainder(from_dense(slopes[:6]), rng.standard_normal(6), rng.random(6), ())
    parts = [
        Remainder(
            from_dense(slopes[6:][rows]),
            rng.standard_normal(2),
            rng.random(2),
            (from_dense(share[rows]),),
        )
        for rows in (slice(0, 2), slice(2, 4))
    ]
    high = stack_remainders(parts)
    direct, upper = rng.random((3, 6)), rng.random((3, 4))
    below = np.abs(slopes[:6] @ CORNERS + low.middle[:, None]) + low.constant[:, None]
    above = np.abs(slopes[6:] @ CORNERS + high.middle[:, None]) + high.constant[:, None]

    bound = total_sums([direct, upper], [low, high])

    attained = direct @ below + upper @ (above + share @ below)
    assert (attained.max(1) <= bound).all()
    assert (bound <= 2 * attained.max(1)).all()
    assert total_sums([None, None], [low, high]).tolist() == [0.0]
