"""The search finds the worst input where it is known, and never leaves the domain."""

from __future__ import annotations

import numpy as np
import pytest

from ltengine.activation import specified_activation
from ltengine.evaluation import compact
from ltengine.observation import (
    affordable_starts,
    affordable_steps,
    largest_error,
    output_errors,
    search_largest_error,
    starting_points,
)
from ltengine.sparse_network import rebuild
from ltengine.specification import InputSpecification
from tests.engine.networks import CONSTRUCTIONS, construct_ticket, make_spec, random_network

DOMAIN = {"mean": 0.2, "std": 0.5, "low": -1.0, "high": 1.0}


def test_starting_points_lie_in_the_domain_and_depend_on_the_seed() -> None:
    domain = InputSpecification(**DOMAIN)

    points = starting_points(domain, 5, range(40), 3)

    assert points.min() >= domain.normalised_low
    assert points.max() <= domain.normalised_high
    assert set(np.unique(points[:, ::2])) == {domain.normalised_low, domain.normalised_high}
    assert np.array_equal(points, starting_points(domain, 5, range(40), 3))
    assert not np.array_equal(points, starting_points(domain, 5, range(40), 4))


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_search_beats_as_many_random_inputs(construction: str, activation: str) -> None:
    network = random_network([6, 8, 5, 3], seed=3)
    spec = make_spec(construction, activation, input=DOMAIN)
    layers = rebuild(construct_ticket(network, spec)[0])
    activation_function = specified_activation(spec)
    domain = spec.input
    rng = np.random.default_rng(0)
    drawn = rng.uniform(domain.normalised_low, domain.normalised_high, (800, 6))
    random = largest_error(compact(layers), network, activation_function, drawn.astype(np.float32))

    found = search_largest_error(layers, network, activation_function, domain)

    assert found.error >= random.error
    assert found.input.min() >= np.float32(domain.normalised_low)
    assert found.input.max() <= np.float32(domain.normalised_high)
    errors = output_errors(compact(layers), network, activation_function, found.input[None])
    assert errors[0, found.output] == errors.max() == pytest.approx(found.error)


def test_the_search_finds_the_worst_corner_of_a_linear_network() -> None:
    network = random_network([7, 4], seed=5)
    spec = make_spec("2L", "tanh", input={"low": -1.0, "high": 1.0})
    layers = rebuild(construct_ticket(network, spec)[0])
    tanh = specified_activation(spec)
    corners = np.array(np.meshgrid(*[[-1.0, 1.0]] * 7)).reshape(7, -1).T.astype(np.float32)

    found = search_largest_error(layers, network, tanh, spec.input)

    corner = largest_error(compact(layers), network, tanh, corners)
    assert found.error == pytest.approx(corner.error, rel=1e-5)


def test_given_inputs_are_starting_points_too_and_cancelling_keeps_them() -> None:
    network = random_network([6, 8, 3], seed=3)
    spec = make_spec("2L", input=DOMAIN)
    layers = rebuild(construct_ticket(network, spec)[0])
    relu = specified_activation(spec)
    worst = search_largest_error(layers, network, relu, spec.input)

    found = search_largest_error(
        layers, network, relu, spec.input, starts=range(2), steps=0, also_from=worst.input[None]
    )
    given_up = search_largest_error(layers, network, relu, spec.input, cancel=lambda: True)

    assert found.error == pytest.approx(worst.error)
    assert 0 <= given_up.error <= worst.error


def test_parts_of_the_starting_points_are_searched_like_all_of_them() -> None:
    network = random_network([6, 8, 3], seed=3)
    spec = make_spec("2L", input=DOMAIN)
    layers = rebuild(construct_ticket(network, spec)[0])
    relu = specified_activation(spec)

    whole = search_largest_error(layers, network, relu, spec.input)
    parts = [
        search_largest_error(layers, network, relu, spec.input, starts=range(first, first + 16))
        for first in (0, 16)
    ]

    assert max(part.error for part in parts) == whole.error


def test_a_search_of_many_cells_takes_fewer_steps() -> None:
    assert affordable_steps(1_000_000) == affordable_steps(1) == 32
    assert 16 < affordable_steps(50_000_000) < 32
    assert affordable_steps(1 << 40) == 16
    assert affordable_starts(1_000_000) == range(32)
    assert affordable_starts(1 << 30) == range(16)
