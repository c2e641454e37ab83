"""Assumption 2.3, checked numerically for every activation."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltengine.activation import ACTIVATIONS, Activation, leaky_relu, named_activation
from ltengine.errors import SpecificationError
from ltengine.specification import (
    PIECEWISE_LINEAR,
    SLOPED,
    WITH_INTERCEPT,
    WITHOUT_IDENTITY,
    ActivationName,
)

EVERY = [*ACTIVATIONS.values(), leaky_relu(0.2), leaky_relu(0.25, "prelu"), leaky_relu(0.0)]
by_name = pytest.mark.parametrize("activation", EVERY, ids=lambda a: f"{a.name}-{a.slope}")
WIDE = np.concatenate([-np.logspace(-7, 2, 4001), np.logspace(-7, 2, 4001), [0.0]])
ROUNDING = 1e-12


def linear_part(activation: Activation, x: np.ndarray) -> np.ndarray:
    slopes = np.where(x >= 0, activation.m_plus, activation.m_minus)
    return np.asarray(slopes * x + activation.intercept)


@by_name
def test_slopes_and_intercept(activation: Activation) -> None:
    tiny = 1e-6
    right = (activation.value(np.array([tiny])) - activation.intercept) / tiny
    left = (activation.value(np.array([-tiny])) - activation.intercept) / -tiny

    assert activation.value(np.zeros(1))[0] == pytest.approx(activation.intercept, abs=1e-15)
    assert right == pytest.approx(activation.m_plus, abs=1e-5)
    assert left == pytest.approx(activation.m_minus, abs=1e-5)


@by_name
def test_the_deviation_is_a_bound(activation: Activation) -> None:
    distance = np.abs(activation.value(WIDE) - linear_part(activation, WIDE))

    assert (distance <= activation.deviation(np.abs(WIDE)) + ROUNDING * (1 + np.abs(WIDE))).all()


@by_name
def test_the_paired_deviation_is_a_bound(activation: Activation) -> None:
    slope = activation.m_plus + activation.m_minus
    distance = np.abs(activation.value(WIDE) - activation.value(-WIDE) - slope * WIDE)
    if not activation.represents_identity:
        pytest.skip("fails Assumption 2.3, so pairs of it are never used")

    allowed = activation.paired_deviation(np.abs(WIDE))
    assert (distance <= allowed + ROUNDING * (1 + np.abs(WIDE))).all()


@by_name
@given(error=st.floats(1e-9, 1.0))
def test_a_of_epsilon_keeps_the_error(activation: Activation, error: float) -> None:
    radius = min(activation.neighbourhood(error), 1e3)
    x = np.linspace(-radius, radius, 501)

    assert radius > 0
    assert (
        np.abs(activation.value(x) - linear_part(activation, x)).max() <= error * (1 + 1e-9) + 1e-12
    )


@by_name
def test_the_lipschitz_constant_is_a_bound_and_not_a_wild_one(activation: Activation) -> None:
    x = np.linspace(-12, 12, 200_001)
    steepest = np.abs(np.diff(activation.value(x)) / np.diff(x)).max()

    assert steepest <= activation.lipschitz * (1 + 1e-9)
    assert steepest >= 0.95 * activation.lipschitz


@by_name
@given(bounds=st.tuples(st.floats(-9, 9), st.floats(-9, 9)))
def test_the_image_encloses_the_function(
    activation: Activation, bounds: tuple[float, float]
) -> None:
    low, high = sorted(bounds)
    values = activation.value(np.linspace(low, high, 301))

    below, above = activation.image(np.array([low]), np.array([high]))

    assert below[0] <= values.min() + 1e-12
    assert above[0] >= values.max() - 1e-12


@by_name
def test_single_precision_stays_single_and_finite(activation: Activation) -> None:
    x = np.array([-1e4, -1.0, 0.0, 1.0, 1e4], np.float32)

    y = activation.value(x)

    assert y.dtype == np.float32
    assert np.isfinite(y).all()


@by_name
def test_nonnegative_means_nonnegative(activation: Activation) -> None:
    assert activation.nonnegative == bool((activation.value(WIDE) >= 0).all())


def test_the_spec_s_tables_are_the_activations_own() -> None:
    names = set(get_args(ActivationName))
    assert names == set(ACTIVATIONS) | set(SLOPED)
    for name in names:
        activation = named_activation(name)
        assert activation.represents_identity == (name not in WITHOUT_IDENTITY)
        assert (activation.intercept != 0) == (name in WITH_INTERCEPT)
        if activation.represents_identity:
            assert activation.piecewise_linear == (name in PIECEWISE_LINEAR)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SpecificationError, match="use one of"):
        named_activation("swish")
