"""The sparse product against a dense one, and the certificate against its worst case."""

from __future__ import annotations

import numpy as np
import pytest

from ltengine.activation import SIGMOID, TANH, leaky_relu, specified_activation
from ltengine.certificate import target_suprema
from ltengine.evaluation import compact, compare_predictions, evaluate_ticket
from ltengine.sparse_network import SparseLayer, rebuild
from ltengine.specification import InputSpecification
from tests.engine.networks import ACTIVATIONS, construct_ticket, make_spec, random_network


def dense_evaluation(layers: tuple[SparseLayer, ...], inputs: np.ndarray) -> np.ndarray:
    """The whole source network in float64 with pruned cells set to zero."""
    x = inputs
    for layer in layers:
        weight = np.zeros((layer.width, x.shape[1]))
        weight[layer.rows, layer.columns] = layer.values
        x = layer.activation.value(x @ weight.T + layer.biases)
    return x


@pytest.mark.parametrize("construction", ["2L", "L+1"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_sparse_product_is_the_pruned_source_network(
    construction: str, activation: str
) -> None:
    network = random_network([6, 5, 4, 3], density=0.7)
    spec = make_spec(construction, activation, input={"low": -1.0, "high": 1.0})
    layers = rebuild(construct_ticket(network, spec)[0])
    inputs = np.random.default_rng(1).uniform(-1, 1, (300, 6))

    found = evaluate_ticket(compact(layers), inputs.astype(np.float32))

    assert found == pytest.approx(dense_evaluation(layers, inputs), abs=1e-4)


def test_an_input_that_nothing_reads_does_not_shift_the_others() -> None:
    network = random_network([5, 3])
    network.layers[0].weight[:, 1] = 0
    network.layers[0].weight[:, 4] = 0
    layers = rebuild(construct_ticket(network, make_spec("L+1"))[0])
    inputs = np.random.default_rng(1).uniform(0, 1, (20, 5))

    found = evaluate_ticket(compact(layers), inputs.astype(np.float32))

    assert found == pytest.approx(dense_evaluation(layers, inputs), abs=1e-5)


def test_predictions_are_compared_by_class() -> None:
    target = np.array([[1.0, 0], [0, 1], [0, 1], [1, 0]])
    ticket = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])

    accuracy = compare_predictions(target, ticket, np.array([0, 1, 1, 1]))

    assert (accuracy.target, accuracy.ticket, accuracy.agreement) == (0.75, 0.75, 0.5)
    assert accuracy.samples == 4


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky_relu"])
def test_suprema_hold_for_random_inputs(activation: str) -> None:
    network = random_network([4, 6, 5, 2], seed=4)
    spec = make_spec("2L", activation)
    domain = InputSpecification(mean=0.2, std=0.5, low=-1.0, high=1.0)
    suprema = target_suprema(network, specified_activation(spec), domain)
    x = np.random.default_rng(0).uniform(domain.normalised_low, domain.normalised_high, (2000, 4))

    for layer, supremum in zip(network.layers, suprema, strict=True):
        assert (np.abs(x) <= supremum).all()
        x = specified_activation(spec).value(x @ layer.weight.T + layer.bias)


@pytest.mark.parametrize("activation", [TANH, SIGMOID, leaky_relu(0.3)])
def test_activations_keep_single_precision_and_their_slopes(activation: object) -> None:
    tiny = 1e-6
    right = (activation.value(np.array([tiny])) - activation.intercept) / tiny
    left = (activation.value(np.array([-tiny])) - activation.intercept) / -tiny

    assert activation.value(np.zeros(3, np.float32)).dtype == np.float32
    assert right == pytest.approx(activation.m_plus, rel=1e-4)
    assert left == pytest.approx(activation.m_minus, rel=1e-4)
    assert np.isfinite(activation.value(np.array([-1e4, 1e4]))).all()
