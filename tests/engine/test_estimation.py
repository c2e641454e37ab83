"""Estimates of tickets against the tickets themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltengine.activation import specified_activation
from ltengine.checkpoint import read_checkpoint
from ltengine.dataset import Dataset, normalise, read_dataset
from ltengine.errors import Canceled, DatasetError
from ltengine.estimation import estimate
from ltengine.evaluation import compact, compare_predictions, evaluate_ticket
from ltengine.network import Network
from ltengine.sparse_network import rebuild
from ltengine.specification import Specification, parse_specification
from ltengine.statistics.drawn_ticket import draw_ticket
from tests.engine.networks import (
    ACTIVATIONS,
    CONSTRUCTIONS,
    construct_ticket,
    make_spec,
    random_network,
)
from tests.shared_files import mnist_test_set, shared_file

MNIST_INPUT = {"mean": 0.1307, "std": 0.3081, "low": 0.0, "high": 1.0}


def random_dataset(network: Network) -> Dataset:
    rng = np.random.default_rng(4)
    inputs = rng.uniform(0, 1, (500, network.inputs)).astype(np.float32)
    return Dataset(inputs, rng.integers(0, network.layers[-1].outputs, 500))


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_an_estimate_is_near_the_ticket(construction: str, activation: str) -> None:
    network = random_network([40, 30, 20, 10], seed=2, density=0.4, size=0.5)
    spec = make_spec(construction, activation, seed=5)
    ticket, found = construct_ticket(network, spec)

    drawn = draw_ticket(network, specified_activation(spec), spec)

    assert drawn.parameters == pytest.approx(ticket.parameters, rel=0.05)
    assert drawn.problems == pytest.approx(found.counts.total, rel=0.05)
    assert drawn.mean_size == pytest.approx(found.counts.mean_size, rel=0.04)
    assert drawn.largest_error <= 0.01
    assert 0.002 < drawn.mean_error < 0.006
    assert drawn.unsolved == 0
    assert drawn.plan.widths == found.plan.widths


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_a_drawn_ticket_computes_the_target_within_what_errors_allow(
    activation: str, construction: str
) -> None:
    network = random_network([6, 5, 4], seed=1)
    spec = make_spec(
        construction, activation, input={"low": -1.0, "high": 1.0}, tolerance={"parameter": 1e-4}
    )
    phi = specified_activation(spec)
    inputs = np.random.default_rng(0).uniform(-1, 1, (50, 6)).astype(np.float32)

    drawn = draw_ticket(network, phi, spec, keep_links=True)

    outputs = evaluate_ticket(compact(tuple(drawn.layers)), inputs)
    moved = np.abs(outputs - network.evaluate(inputs, phi)).max()
    assert 1e-6 < moved < 0.01


def test_a_report_has_means_and_intervals() -> None:
    network = random_network([6, 5, 3], seed=3)
    spec = make_spec("L+1", "relu", seed=2**64 - 1)

    report = estimate(
        network, specified_activation(spec), spec, random_dataset(network), replicates=3
    )

    parameters = report["ticket"]["parameters"]
    assert parameters["interval"][0] < parameters["mean"] < parameters["interval"][1]
    assert report["replicates"] == 3
    assert report["target"]["parameters"] == network.parameters
    assert 0 < report["problems"]["expected_unsolved"] < 0.1
    assert report["success_probability"] == pytest.approx(
        np.exp(-report["problems"]["expected_unsolved"])
    )
    assert report["accuracy"]["agreement"]["mean"] > 0.9
    assert report["specification"]["source"]["seed"] == 2**64 - 1


def test_problems_without_a_solution_are_counted_and_their_parameters_are_zero() -> None:
    network = random_network([12, 8, 4], seed=3)
    spec = make_spec("2L", "relu", base_set={"size": 1, "largest_subset": 1})
    phi = specified_activation(spec)

    drawn = draw_ticket(network, phi, spec, keep_links=True)

    share = drawn.unsolved / drawn.problems
    assert 0.3 < share < 1
    assert drawn.expected_unsolved == pytest.approx(drawn.unsolved, rel=0.3)
    last, target = drawn.layers[-1], network.layers[-1].weight
    assert 0 < last.values.size < 0.8 * target.size
    assert set(np.abs(last.values - target[last.rows, last.columns]) <= 0.01) == {True}


def test_an_estimate_is_a_function_of_its_spec() -> None:
    network = random_network([6, 5, 3], seed=3)
    spec = make_spec("2L", "relu")
    phi = specified_activation(spec)

    assert estimate(network, phi, spec) == estimate(network, phi, spec)


def test_layers_without_parameters_and_networks_without_biases_are_estimated() -> None:
    network = random_network([4, 3, 2], seed=3, biases=False)
    network.layers[1].weight[:] = 0
    spec = make_spec("L+1", "relu")
    ticket, _ = construct_ticket(network, spec)

    drawn = draw_ticket(network, specified_activation(spec), spec)

    assert drawn.parameters == ticket.parameters == 0


def test_an_estimate_can_be_canceled_and_refuses_data_that_do_not_fit() -> None:
    network = random_network([6, 5, 3], seed=3)
    spec = make_spec("2L", "relu")
    phi = specified_activation(spec)

    with pytest.raises(Canceled):
        estimate(network, phi, spec, cancel=lambda: True)
    with pytest.raises(DatasetError):
        estimate(network, phi, spec, random_dataset(random_network([7, 3])))


def lenet_spec(name: str, construction: str) -> Specification:
    smooth = name in ("tanh", "sigmoid")
    document: dict[str, Any] = {
        "construction": construction,
        "activation": {"name": "leaky_relu" if name == "lrelu" else name},
        "input": MNIST_INPUT,
        "source": {"first_layer_activation": "identity" if smooth else "same"},
    }
    return parse_specification(document)


@pytest.mark.slow
@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("name", ["relu", "sigmoid"])
def test_a_lenet_estimate_is_within_three_percent(
    name: str, construction: str, tmp_path: Path
) -> None:
    network = read_checkpoint(shared_file(f"targets/lenet300-100-{name}.safetensors")).network
    spec = lenet_spec(name, construction)
    ticket, found = construct_ticket(network, spec)
    dataset = read_dataset(mnist_test_set(tmp_path))

    report = estimate(network, specified_activation(spec), spec, dataset, replicates=2)

    assert report["ticket"]["parameters"]["mean"] == pytest.approx(ticket.parameters, rel=0.03)
    assert report["problems"]["total"]["mean"] == pytest.approx(found.counts.total, rel=0.03)
    accuracy = report["accuracy"]
    assert accuracy["ticket"]["mean"] == pytest.approx(accuracy["target"], abs=0.003)
    inputs = normalise(dataset, spec.input, network.inputs)
    outputs = network.evaluate(inputs, specified_activation(spec))
    real = compare_predictions(
        outputs, evaluate_ticket(compact(rebuild(ticket)), inputs), dataset.labels
    )
    assert accuracy["agreement"]["mean"] == pytest.approx(real.agreement, abs=0.004)
