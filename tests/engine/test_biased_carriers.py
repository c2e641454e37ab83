"""Carriers whose bias keeps them on over the whole domain: linear, and paid for in the bias."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltengine.activation import specified_activation
from ltengine.carrier import SignRule, always_on, expect_always_on
from ltengine.certified_construction import construct_certified
from ltengine.errors import SpecificationError
from ltengine.intercept import REMAINDER, Constants, Intercepts, balance
from ltengine.network import Network
from ltengine.observation import search_largest_error
from ltengine.pipeline import PipelineRequest, plan_construction, run_pipeline
from ltengine.source import Distribution, Source
from ltengine.sparse_network import rebuild
from ltengine.specification import Specification, parse_specification
from ltengine.verification import verify
from tests.engine.networks import CONSTRUCTIONS, construct_ticket, networks, random_network
from tests.shared_files import shared_file

NETWORK = random_network([6, 5, 4, 3], seed=3)


def make_biased(construction: str, name: str = "relu", **fields: Any) -> Specification:
    source = {"carriers": "biased", **fields.pop("source", {})}
    return parse_specification(
        {
            "construction": construction,
            "activation": {"name": name},
            "input": {"low": -1.0, "high": 2.0},
            "source": source,
            **fields,
        }
    )


def check(network: Network, spec: Specification) -> None:
    """Verified, and no error found beyond the certificate."""
    activation = specified_activation(spec)
    found = construct_certified(network, activation, spec)
    assert verify(found.ticket, network).reasons == ()
    if found.certificate is not None:
        searched = search_largest_error(
            rebuild(found.ticket), network, activation, spec.input, starts=range(8)
        )
        assert searched.error <= found.certificate.largest


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("name", ["relu", "leaky_relu", "prelu"])
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("initialization", ["convenient", "he"])
def test_an_output_tolerance_is_kept(
    construction: str, name: str, distribution: str, initialization: str
) -> None:
    source = {"distribution": distribution, "initialization": initialization}

    check(NETWORK, make_biased(construction, name, source=source, tolerance={"output": 0.5}))


@given(
    network=networks(), construction=st.sampled_from(CONSTRUCTIONS), seed=st.integers(0, 2**64 - 1)
)
@settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_any_network_gets_a_ticket_that_verifies(
    network: Network, construction: str, seed: int
) -> None:
    check(network, make_biased(construction, source={"seed": seed}))


def test_biases_in_all_layers_change_nothing_about_it() -> None:
    check(NETWORK, make_biased("2L", source={"biases": "all_layers"}))


def test_a_wide_dense_layer_finds_enough_counterweights() -> None:
    check(random_network([784, 4, 2], seed=1, size=0.5), make_biased("L+1"))


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_one_problem_serves_a_weight(construction: str) -> None:
    both = make_biased(construction, source={"carriers": "unbiased"})
    first_layer = np.count_nonzero(NETWORK.layers[0].weight)

    signed, biased = (
        construct_ticket(NETWORK, spec)[1] for spec in (both, make_biased(construction))
    )

    copies = biased.plan.layers[1]
    assert biased.plan.layers[0].sign_rule is SignRule.ALWAYS_ON
    assert signed.counts.total - biased.counts.total >= first_layer
    assert copies.block_size == signed.plan.layers[1].block_size


def test_inputs_that_are_never_negative_need_no_bias() -> None:
    spec = make_biased("L+1", input={"low": 0.0, "high": 1.0})

    _, found = construct_ticket(NETWORK, spec)

    assert found.plan.layers[0].sign_rule is SignRule.POSITIVE


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "tanh", "source": {"initialization": "theorem_scaled"}}, "linear past 0"),
        ({"source": {"initialization": "looks_linear"}}, "need no bias"),
        ({"base_set": "auto"}, "no failure statistics for biased"),
    ],
)
def test_what_it_cannot_be_combined_with_is_refused_with_the_remedy(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpecificationError, match=message):
        make_biased("2L", **fields)


def test_deeper_than_2l_is_refused() -> None:
    spec = make_biased("L+1", source={"depth": 8})

    with pytest.raises(SpecificationError, match="without a bias"):
        construct_ticket(NETWORK, spec)


def test_a_domain_too_wide_for_it_is_refused() -> None:
    spec = make_biased("L+1", input={"low": -200.0, "high": 200.0})

    with pytest.raises(SpecificationError, match="stay on"):
        construct_ticket(NETWORK, spec)


def test_a_wider_domain_than_the_ticket_was_made_for_is_noticed() -> None:
    ticket, _ = construct_ticket(NETWORK, make_biased("L+1"))
    document = {**ticket.specification, "input": {"low": -1.0, "high": 2.2}}

    verdict = verify(replace(ticket, specification=document), NETWORK)

    assert "switches off inside the input domain" in verdict.reasons[0]


def test_a_carrier_without_its_bias_is_noticed() -> None:
    ticket, _ = construct_ticket(NETWORK, make_biased("2L"))
    first = ticket.layers[0]
    biases = first.mask.biases.copy()
    biases[np.flatnonzero(biases)[0]] = False
    layers = (replace(first, mask=replace(first.mask, biases=biases)), *ticket.layers[1:])

    verdict = verify(replace(ticket, layers=layers), NETWORK)

    assert verdict.reasons[0].startswith("PARAMETER_ERROR")


@given(
    low=st.floats(-5, 0),
    high=st.floats(0, 5),
    seed=st.integers(0, 2**32),
)
def test_always_on_neurons_never_switch_off(low: float, high: float, seed: int) -> None:
    weights, biases = np.random.default_rng(seed).uniform(-1, 1, (2, 200))

    on = always_on(weights, biases, low, high)

    inputs = np.linspace(low, high, 21)
    drive = weights[:, None] * inputs + biases[:, None]
    assert (drive[on] >= 0).all()
    assert (drive[~on].min(axis=1) < 1e-3).all()


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize("domain", [(-0.42, 2.82), (-1.0, 1.0), (-0.1, 0.3)])
def test_the_expected_share_and_size_are_those_of_a_source(
    distribution: str, domain: tuple[float, float]
) -> None:
    source, rows = Source(7, Distribution(distribution)), np.arange(200_000)
    weights, biases = source.weights(1, rows, np.zeros_like(rows)), source.biases(1, rows)
    on = always_on(weights, biases, *domain)

    expected = expect_always_on(distribution, *domain)

    assert on.mean() == pytest.approx(expected.share, abs=0.005)
    ratio = np.sqrt((weights[on] ** 2).mean() / (weights**2).mean())
    assert ratio == pytest.approx(expected.size, rel=0.02)


@given(
    wanted=st.lists(
        st.floats(-6, 6).map(lambda v: round(v * 2**20) / 2**20), min_size=1, max_size=8
    ),
    seed=st.integers(0, 2**32),
)
def test_counterweights_leave_a_small_remainder_and_no_more_links_than_needed(
    wanted: list[float], seed: int
) -> None:
    source, rows = Source(seed), np.arange(len(wanted))
    pool = Constants(np.arange(100, 300), np.abs(source.biases(1, np.arange(100, 300))))
    found = balance(source, 2, rows, np.array(wanted), Intercepts(np.zeros(300), pool))

    for row, want in enumerate(wanted):
        columns = found.cell_columns[found.cell_rows == row]
        adds = source.weights(2, np.full(columns.size, row), columns) * pool.values[columns - 100]
        assert want - adds.sum() == found.remainders[row]
        assert abs(found.remainders[row]) <= REMAINDER
        assert (adds * want > 0).all()
        assert columns.size == 0 or abs(want) - np.abs(adds[:-1]).sum() > REMAINDER


@pytest.mark.slow
@pytest.mark.parametrize(("construction", "at_most"), [("L+1", 560_000), ("2L", 60_000)])
def test_a_lenet_needs_far_fewer_parameters(
    construction: str, at_most: int, tmp_path: Path
) -> None:
    checkpoint = shared_file("targets/lenet300-100-relu.safetensors")
    domain = {"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0}
    spec = make_biased(construction, input=domain)

    planned = plan_construction(checkpoint, spec, clock=time.monotonic)
    report = run_pipeline(
        PipelineRequest(checkpoint, spec, tmp_path / "ticket"), clock=time.monotonic
    )

    assert report["ticket"]["parameters"] <= at_most
    assert report["source"]["carriers"][0]["rule"] == "always_on"
    assert planned["ticket"]["parameters"] == pytest.approx(report["ticket"]["parameters"], rel=0.1)
    assert planned["problems"]["total"] == pytest.approx(report["problems"]["total"], rel=0.1)
    assert planned["source"]["widths"] == report["source"]["widths"]
