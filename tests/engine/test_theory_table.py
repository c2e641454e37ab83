"""Every activation, construction, distribution and initialisation: within the output tolerance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltengine.activation import ACTIVATIONS, specified_activation
from ltengine.certified_construction import construct_certified
from ltengine.construction import construct
from ltengine.errors import SpecificationError, UnsolvedProblemsError
from ltengine.network import Network
from ltengine.observation import search_largest_error
from ltengine.requirements import layer_requirements
from ltengine.sparse_network import rebuild
from ltengine.specification import (
    SLOPED,
    WITH_INTERCEPT,
    WITHOUT_IDENTITY,
    Specification,
    parse_specification,
)
from ltengine.ticket_file import ticket_digest
from ltengine.verification import verify
from tests.engine.networks import CONSTRUCTIONS, networks, random_network

NAMES = sorted([*ACTIVATIONS, *SLOPED])
OUTPUT_TOLERANCE = 0.2
NETWORK = random_network([3, 4, 2], seed=8, size=0.8)


def make_document(name: str, construction: str, distribution: str, initialization: str) -> Any:
    carrier = "identity" if name in WITHOUT_IDENTITY else "same"
    return {
        "construction": construction,
        "activation": {"name": name},
        "tolerance": {"output": OUTPUT_TOLERANCE},
        "base_set": {"size": 20, "largest_subset": 16},
        "source": {
            "distribution": distribution,
            "initialization": initialization,
            "first_layer_activation": carrier,
        },
        "input": {"low": -1.0, "high": 1.0},
    }


def check_output(network: Network, spec: Specification) -> str:
    """The ticket verifies; observed <= certified <= tolerance; its digest."""
    activation = specified_activation(spec)
    found = construct_certified(network, activation, spec)
    assert found.certificate is not None
    assert verify(found.ticket, network).reasons == ()

    searched = search_largest_error(
        rebuild(found.ticket), network, activation, spec.input, starts=range(16), steps=20
    )

    assert searched.error <= found.certificate.largest
    assert found.certificate.errors.sum() <= OUTPUT_TOLERANCE
    return ticket_digest(found.ticket)


def initializations(name: str) -> list[str]:
    if name in WITH_INTERCEPT:
        return ["looks_linear"]
    return ["theorem_scaled", "looks_linear"]


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(
    ("name", "initialization"), [(n, i) for n in NAMES for i in initializations(n)]
)
def test_the_table(name: str, initialization: str, distribution: str, construction: str) -> None:
    spec = parse_specification(make_document(name, construction, distribution, initialization))

    first = check_output(NETWORK, spec)
    second = check_output(NETWORK, spec)

    assert first == second


@given(
    network=networks(),
    name=st.sampled_from(["relu", "tanh", "gelu", "sin"]),
    construction=st.sampled_from(CONSTRUCTIONS),
)
@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,  # a random source fails once in a million: not on somebody's release day
    suppress_health_check=[HealthCheck.too_slow],
)
def test_any_network_keeps_an_output_tolerance(
    network: Network, name: str, construction: str
) -> None:
    """Or is refused, because it asks for parameters finer than the problems' grid."""
    document = make_document(name, construction, "uniform", "theorem_scaled")
    document.update(base_set="auto", failure_probability=1e-6)
    spec = parse_specification(document)
    refusal = None
    try:
        check_output(network, spec)
    except SpecificationError as error:
        refusal = error.problems[0]["code"]
    assert refusal in {None, "TOLERANCE_TOO_SMALL", "CARRIER_DEVIATION"}


@pytest.mark.parametrize("name", WITHOUT_IDENTITY)
def test_what_fails_assumption_2_3_is_refused_in_the_first_layer_with_the_remedy(name: str) -> None:
    document = make_document(name, "L+1", "uniform", "theorem_scaled")
    document["source"]["first_layer_activation"] = "same"

    with pytest.raises(SpecificationError, match=r"Assumption 2\.3.*first_layer_activation"):
        parse_specification(document)


@pytest.mark.parametrize("name", WITH_INTERCEPT)
def test_an_intercept_asks_for_looks_linear_pairs(name: str) -> None:
    document = make_document(name, "L+1", "uniform", "theorem_scaled")

    with pytest.raises(SpecificationError, match="looks_linear"):
        parse_specification(document)


@pytest.mark.parametrize(
    ("name", "carrier"),
    [("relu", "same"), ("leaky_relu", "same"), ("tanh", "identity"), ("sigmoid", "identity")],
)
@pytest.mark.parametrize("extra", [1, 2, 3, 4])
@pytest.mark.parametrize("biases", ["first_layer", "all_layers"])
def test_the_same_target_in_deeper_sources(
    name: str, carrier: str, extra: int, biases: str
) -> None:
    network = random_network([4, 5, 3, 2], seed=5, size=0.8)
    document = make_document(name, "L+1", "uniform", "convenient")
    source = {"first_layer_activation": carrier, "depth": 3 + extra, "biases": biases}
    document.update(source=source, tolerance={"parameter": 0.01})
    spec = parse_specification(document)
    activation = specified_activation(spec)

    found = construct_certified(network, activation, spec)

    assert len(found.ticket.layers) == 3 + extra
    assert verify(found.ticket, network).reasons == ()
    searched = search_largest_error(
        rebuild(found.ticket), network, activation, spec.input, starts=range(8)
    )
    assert searched.error < OUTPUT_TOLERANCE


def test_a_depth_that_cannot_be_had_is_named() -> None:
    document = make_document("relu", "L+1", "uniform", "convenient")
    document["source"]["depth"] = 2
    spec = parse_specification(document)

    with pytest.raises(SpecificationError, match="depth 3 or more"):
        construct_certified(NETWORK, specified_activation(spec), spec)


def test_looks_linear_relu_needs_one_problem_for_each_weight() -> None:
    totals = {}
    for initialization in ("convenient", "looks_linear"):
        document = make_document("relu", "2L", "uniform", initialization)
        document["tolerance"] = {"parameter": 0.01}
        spec = parse_specification(document)
        found = construct_certified(NETWORK, specified_activation(spec), spec)
        totals[initialization] = found.construction.counts.total

    first = NETWORK.layers[0].nonzero - 4  # its four biases are one problem either way
    assert totals["convenient"] == totals["looks_linear"] + first


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_constants_of_small_parameters_survive_an_output_tolerance(construction: str) -> None:
    """Many tiny weights matter together: a fixed tolerance would drop them all."""
    network = random_network([2, 12, 1], seed=3, size=0.8)
    network.layers[1].weight[:] = 0.006
    document = make_document("relu", construction, "uniform", "convenient")
    document["tolerance"] = {"output": 0.02}
    spec = parse_specification(document)

    found = construct_certified(network, specified_activation(spec), spec)

    assert found.certificate is not None
    assert found.certificate.errors.sum() <= 0.02
    inputs = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    assert np.abs(network.evaluate(inputs, specified_activation(spec))).max() > 0.04


def failures(construction: str, share_of_width: float, seeds: int) -> int:
    """Seeds at which a construction with that share of the planned candidates fails."""
    network = random_network([6, 5, 4], seed=3)
    document = {
        "construction": construction,
        "activation": {"name": "relu"},
        "base_set": "auto",
        "failure_probability": 0.05,
        "input": {"low": -1.0, "high": 1.0},
    }
    failed = 0
    for seed in range(seeds):
        spec = parse_specification({**document, "source": {"seed": seed}})
        activation = specified_activation(spec)
        planned = layer_requirements(network, activation, spec)
        narrowed = []
        for requirement in planned:
            candidates = int(requirement.base_set.candidates * share_of_width)
            base_set = replace(
                requirement.base_set,
                size=min(requirement.base_set.size, candidates),
                candidates=candidates,
            )
            narrowed.append(replace(requirement, base_set=base_set))
        try:
            construct(network, activation, spec, requirements=narrowed)
        except UnsolvedProblemsError:
            failed += 1
    return failed


@pytest.mark.slow
@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_the_planned_width_keeps_the_failure_probability(construction: str) -> None:
    """200 seeds, delta = .05: the 95 % interval contains or lies below it."""
    # at rate .05 more than 16 of 200 have a probability of 2.4 %
    assert failures(construction, 1.0, 200) <= 16


@pytest.mark.slow
@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_half_the_planned_width_clearly_does_not(construction: str) -> None:
    assert failures(construction, 0.5, 40) >= 10
