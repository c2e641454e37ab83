"""Error budgets: no perturbation within them may ever exceed the output tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltengine.activation import (
    ACTIVATIONS,
    IDENTITY,
    RELU,
    SIGMOID,
    TANH,
    Activation,
    leaky_relu,
)
from ltengine.budget import (
    error_budget,
    layer_tolerances,
    lemma_tolerances,
    output_error,
    unit_suprema,
)
from ltengine.network import DenseLayer, Network, build_network
from ltengine.specification import InputSpecification
from tests.engine.networks import networks
from tests.engine.output_adversary import gradient_signs, largest_error_found, perturbed, trace

Tolerances = Callable[[Network, Activation, InputSpecification, float], tuple[float, ...]]

SIGNED = InputSpecification(low=-1.0, high=1.0)
SOME_ACTIVATIONS = [RELU, TANH, SIGMOID, IDENTITY, leaky_relu(0.2), ACTIVATIONS["silu"]]


@given(
    networks(),
    st.sampled_from(SOME_ACTIVATIONS),
    st.sampled_from([1e-3, 0.1, 3.0]),
    st.sampled_from([layer_tolerances, lemma_tolerances]),
    st.sampled_from([SIGNED, InputSpecification(mean=0.13, std=0.31)]),
)
@settings(max_examples=80, deadline=None)
def test_no_perturbation_within_the_tolerances_exceeds_the_output_tolerance(
    network: Network,
    activation: Activation,
    output_tolerance: float,
    tolerances: Tolerances,
    domain: InputSpecification,
) -> None:
    allowed = tolerances(network, activation, domain, output_tolerance)

    found = largest_error_found(network, activation, domain, allowed)

    assert found <= output_tolerance * (1 + 1e-12)


def printed_lemma(
    *, product_reaches: int, norm: str, linear_output: bool, capped: bool
) -> Tolerances:
    """Readings of Lemma 2.8 as printed; all but the right one must be caught."""

    def tolerances(
        network: Network, activation: Activation, domain: InputSpecification, output: float
    ) -> tuple[float, ...]:
        depth = len(network.layers)
        share = output / depth
        suprema = unit_suprema(network, activation, domain)
        found = []
        for number, layer in enumerate(network.layers):
            size = 1 + suprema[number].sum()
            size *= activation.lipschitz ** (depth - number - (1 if linear_output else 0))
            for above in network.layers[number + 1 : depth + product_reaches]:
                weight = np.abs(above.weight)
                rows, columns = weight.sum(axis=1).max(), weight.sum(axis=0).max()
                size *= (columns if norm == "columns" else rows) + share
            allowed = min(1.0, 1 / size) if capped else 1 / size
            found.append(share / layer.outputs * allowed / (1 + share))
        return tuple(found)

    return tolerances


RIGHT: dict[str, Any] = {
    "product_reaches": 0,
    "norm": "columns",
    "linear_output": True,
    "capped": True,
}


def fan_out_network(outputs: int, sizes: list[float], hidden: int = 4) -> Network:
    """All weights of a layer alike and positive: every bound's inequalities are attained."""
    widths = [3, *[hidden] * (len(sizes) - 1), outputs]
    return build_network(
        [
            DenseLayer(
                str(number),
                np.full((widths[number + 1], widths[number]), size),
                np.full(widths[number + 1], 0.1 * size),
            )
            for number, size in enumerate(sizes)
        ]
    )


@pytest.mark.parametrize(
    ("flaw", "network", "activation", "output_tolerance", "domain"),
    [
        ({"product_reaches": -1}, fan_out_network(30, [0.5, 0.5]), RELU, 0.1, SIGNED),
        ({"norm": "rows"}, fan_out_network(30, [0.5, 0.5]), RELU, 0.1, SIGNED),
        ({"linear_output": False}, fan_out_network(2, [0.5, 0.5]), SIGMOID, 0.1, SIGNED),
        (
            {"capped": False},
            fan_out_network(1, [0.0025, 0.0025, 0.0025], hidden=1),
            RELU,
            0.3,
            InputSpecification(low=-0.1, high=0.1),
        ),
    ],
    ids=["product to L-1", "row sums", "T behind a linear output", "n eps not capped"],
)
def test_wrong_readings_of_the_lemma_are_caught(
    flaw: dict[str, Any],
    network: Network,
    activation: Activation,
    output_tolerance: float,
    domain: InputSpecification,
) -> None:
    wrong = printed_lemma(**{**RIGHT, **flaw})(network, activation, domain, output_tolerance)
    right = printed_lemma(**RIGHT)(network, activation, domain, output_tolerance)

    exceeded = largest_error_found(network, activation, domain, wrong)
    kept = largest_error_found(network, activation, domain, right)

    assert exceeded > 1.2 * output_tolerance
    assert kept <= output_tolerance
    share = output_tolerance / len(network.layers)
    ours = lemma_tolerances(network, activation, domain, output_tolerance)
    assert ours == pytest.approx([(1 + share) * tolerance for tolerance in right])


def test_the_vector_form_is_attained_where_all_signs_agree() -> None:
    network = fan_out_network(5, [0.5, 0.3, 0.7])
    allowed = layer_tolerances(network, RELU, SIGNED, 0.01)

    found = largest_error_found(network, RELU, SIGNED, allowed)

    assert 0.97 * 0.01 < found <= 0.01


@given(networks(), st.sampled_from(SOME_ACTIVATIONS))
@settings(max_examples=40, deadline=None)
def test_the_vector_form_never_allows_less_than_the_lemma_in_sum(
    network: Network, activation: Activation
) -> None:
    """The lemma's tolerances, put through the vector form, use up no more than allowed."""
    lemma = lemma_tolerances(network, activation, SIGNED, 0.1)

    assert output_error(network, activation, SIGNED, lemma).sum() <= 0.1 * (1 + 1e-6)


@given(networks(), st.sampled_from(SOME_ACTIVATIONS), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_units_never_leave_their_suprema(
    network: Network, activation: Activation, seed: int
) -> None:
    x = np.random.default_rng(seed).choice([-1.0, -0.3, 0.0, 1.0], (64, network.inputs))

    units, _ = trace(network, activation, x)

    for observed, bound in zip(units[:-1], unit_suprema(network, activation, SIGNED), strict=True):
        assert (np.abs(observed).max(axis=0) <= bound).all()


def test_a_budget_says_what_it_adds_up_to_and_follows_shares() -> None:
    network = fan_out_network(2, [0.5, 0.5])

    even = error_budget(network, RELU, SIGNED, 0.1)
    skewed = error_budget(network, RELU, SIGNED, 0.1, shares=[0.9, 0.1])

    assert 0.0997 < even.output_error <= 0.1
    assert skewed.tolerances[0] == pytest.approx(1.8 * even.tolerances[0], rel=0.05)
    assert skewed.tolerances[1] == pytest.approx(0.2 * even.tolerances[1], rel=0.05)
    assert len(even.unit_errors) == 3
    assert even.unit_errors[-1].sum() == pytest.approx(even.output_error)


@pytest.mark.parametrize(
    ("output_tolerance", "share", "shares"),
    [(0.0, 0.0, None), (0.1, 1.0, None), (0.1, 0.0, [0.5, 0.6]), (0.1, 0.0, [1.0])],
)
def test_impossible_budgets_are_refused(
    output_tolerance: float, share: float, shares: list[float] | None
) -> None:
    with pytest.raises(ValueError, match="share"):
        error_budget(
            fan_out_network(2, [0.5, 0.5]),
            RELU,
            SIGNED,
            output_tolerance,
            activation_share=share,
            shares=shares,
        )


def test_a_layer_that_nothing_reads_may_be_dropped_whole() -> None:
    network = build_network(
        [
            DenseLayer("0", np.array([[0.5], [0.25]]), None),
            DenseLayer("1", np.array([[0.0, 0.0]]), np.array([1.0])),
        ]
    )

    assert layer_tolerances(network, RELU, SIGNED, 0.01) == pytest.approx((0.5, 0.01), rel=2e-3)


def test_many_small_parameters_are_not_dropped() -> None:
    """1,024 output weights of 0.0055 carry the output: a tolerance of .01 would erase them."""
    hidden = 1024
    network = build_network(
        [
            DenseLayer("0", np.ones((hidden, 1)), -np.linspace(0, 1, hidden)),
            DenseLayer("1", np.full((1, hidden), 0.0055), None),
        ]
    )

    allowed = layer_tolerances(network, RELU, InputSpecification(), 0.01)

    assert allowed[1] < 0.0055 / 100


def with_copies(first: float, second: list[float], errors: list[float]) -> tuple[Network, float]:
    """A chain 1-1-1 and, as a ticket, its hidden neuron in copies that err differently."""
    target = build_network(
        [
            DenseLayer("0", np.array([[first]]), None),
            DenseLayer("1", np.array([[sum(second)]]), None),
        ]
    )
    copies = Network(
        (
            DenseLayer("0", np.array([[first + error] for error in errors]), None),
            DenseLayer("1", np.array([second]), None),
        )
    )
    difference = (
        trace(copies, RELU, np.ones((1, 1)))[0][-1] - trace(target, RELU, np.ones((1, 1)))[0][-1]
    )
    return target, float(np.abs(difference).max())


def test_copies_that_err_differently_pass_on_more_than_their_sum() -> None:
    """0.1 made of 0.9 and -0.8: the lemma's |0.1| under-states what their errors do."""
    target, _ = with_copies(0.5, [0.9, -0.8], [0.0, 0.0])
    plain = layer_tolerances(target, RELU, SIGNED, 0.1)
    safe = layer_tolerances(target, RELU, SIGNED, 0.1, link_sums=[0.0, 1.7])

    _, exceeded = with_copies(0.5, [0.9, -0.8], [plain[0], -plain[0]])
    _, kept = with_copies(0.5, [0.9, -0.8], [safe[0], -safe[0]])

    assert exceeded > 0.4
    assert 0.04 < kept <= 0.1


@st.composite
def tickets_with_copies(
    draw: st.DrawFn,
) -> tuple[Network, Network, tuple[float, ...], list[float]]:
    """A target, a network of three copies of each hidden neuron, tolerances and link sums.

    Each copy makes a weight of up to three links to different copies, off by the tolerance.
    """
    target = draw(networks())
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    tolerances = tuple(draw(st.sampled_from([1e-3, 0.05])) for _ in target.layers)
    layers, link_sums = [], []
    for number, (layer, tolerance) in enumerate(zip(target.layers, tolerances, strict=True)):
        per_input = 1 if number == 0 else 3
        copies = 1 if number == len(target.layers) - 1 else 3
        moved = np.repeat(layer.weight, copies, axis=0)
        moved = moved + tolerance * rng.choice([-1.0, 1.0], moved.shape) * (moved != 0)
        links = rng.uniform(-1, 1, (*moved.shape, per_input)) * (moved != 0)[..., None]
        links[..., 0] += moved - links.sum(axis=-1)
        bias = None
        if layer.bias is not None:
            bias = np.repeat(layer.bias, copies)
            bias = bias + tolerance * rng.choice([-1.0, 1.0], bias.shape) * (bias != 0)
        layers.append(DenseLayer(layer.name, links.reshape(moved.shape[0], -1), bias))
        link_sums.append(float(np.abs(links).sum(axis=-1).max()))
    return target, Network(tuple(layers)), tolerances, link_sums


@given(tickets_with_copies(), st.sampled_from(SOME_ACTIVATIONS))
@settings(max_examples=60, deadline=None)
def test_link_sums_bound_what_copies_pass_on(
    case: tuple[Network, Network, tuple[float, ...], list[float]], activation: Activation
) -> None:
    target, ticket, tolerances, link_sums = case
    x = np.random.default_rng(0).choice([-1.0, 0.4, 1.0], (64, target.inputs))

    bound = output_error(target, activation, SIGNED, tolerances, link_sums=link_sums)
    found = trace(ticket, activation, x)[0][-1] - trace(target, activation, x)[0][-1]

    assert (np.abs(found).max(axis=0) <= bound + 1e-12).all()


@pytest.mark.parametrize("activation", [TANH, SIGMOID, ACTIVATIONS["gelu"]], ids=lambda a: a.name)
def test_a_reserved_share_pays_for_carriers(activation: Activation) -> None:
    """Perturbed parameters and carriers' errors together stay within the output tolerance."""
    network = fan_out_network(3, [0.5, 0.5, 0.5])
    question = (network, activation, SIGNED, 0.1)
    budget = error_budget(*question, activation_share=0.25)
    carriers = budget.activation_errors
    first = network.layers[0]
    assert first.bias is not None

    # the carriers of 3 inputs each add the most they may to every pre-activation
    shifted = DenseLayer("0", first.weight, first.bias + 3 * carriers[0])
    moved = Network((shifted, *network.layers[1:]))
    x = np.ones(3)
    signs = gradient_signs(moved, activation, x, np.ones(3))
    found = trace(perturbed(moved, budget.tolerances, signs), activation, x[None])[0][-1]
    clean = trace(network, activation, x[None])[0][-1]

    assert carriers[0] > 0
    assert carriers[1:] == (0.0, 0.0)
    assert np.abs(found - clean).sum() <= 0.1
    assert budget.unit_errors[-1].sum() <= 0.1
    assert layer_tolerances(*question, activation_share=0.25) == budget.tolerances
