"""Slopes and lines hold for random pairs of points of random intervals."""

from __future__ import annotations

import numpy as np
import pytest

from ltengine.activation import ACTIVATIONS, Activation, leaky_relu
from ltengine.slopes import enclosing_line, slope_range

EVERY = [*ACTIVATIONS.values(), leaky_relu(0.2)]


def random_intervals(length: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    low = rng.uniform(-8, 8, 500)
    return low, low + rng.exponential(length, 500)


@pytest.mark.parametrize("length", [0.01, 0.3, 6.0])
@pytest.mark.parametrize("activation", EVERY, ids=lambda a: a.name)
def test_no_secant_is_steeper_than_the_slopes(activation: Activation, length: float) -> None:
    low, high = random_intervals(length)
    least, most = slope_range(activation, low, high)
    shares = np.sort(np.random.default_rng(1).random((100, low.size)), axis=0)
    points = low + (high - low) * shares
    rises, runs = np.diff(activation.value(points), axis=0), np.diff(points, axis=0)

    assert (rises <= most * runs + 1e-13).all()
    assert (rises >= least * runs - 1e-13).all()


@pytest.mark.parametrize("length", [0.0, 0.01, 0.3, 6.0])
@pytest.mark.parametrize("activation", EVERY, ids=lambda a: a.name)
def test_the_line_is_as_close_as_it_says(activation: Activation, length: float) -> None:
    low, high = random_intervals(length)
    line = enclosing_line(activation, low, high)
    points = low + (high - low) * np.linspace(0, 1, 333)[:, None]

    strayed = np.abs(activation.value(points) - line.slope * points - line.intercept)

    assert (strayed <= line.radius).all()
    assert (line.radius <= 1.6 * (high - low) + 1e-9).all()


def test_surely_dead_and_surely_active_units_are_exact() -> None:
    relu = ACTIVATIONS["relu"]
    low, high = np.array([-2.0, 0.5]), np.array([-0.5, 2.0])

    least, most = slope_range(relu, low, high)
    line = enclosing_line(relu, low, high)

    assert least.tolist() == most.tolist() == [0.0, 1.0]
    assert (line.radius < 1e-10).all()
