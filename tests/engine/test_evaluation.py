"""The sparse product against a dense one, and how predictions are compared."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from ltengine.activation import SIGMOID, TANH, Activation, leaky_relu
from ltengine.evaluation import compact, compare_predictions, evaluate_ticket
from ltengine.sparse_network import SparseLayer, rebuild
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


def test_threads_and_neighbours_in_a_tile_change_nothing() -> None:
    layers = compact(rebuild(construct_ticket(random_network([6, 5, 3]), make_spec("2L"))[0]))
    inputs = np.random.default_rng(1).uniform(0, 1, (101, 6)).astype(np.float32)
    found = evaluate_ticket(layers, inputs)

    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    alone = evaluate_ticket(layers, inputs)
    numba.set_num_threads(threads)

    assert np.array_equal(found, alone)
    assert np.array_equal(found[40:43], evaluate_ticket(layers, inputs[40:43]))
    assert evaluate_ticket(layers, inputs[:0]).shape == (0, 3)


def test_predictions_are_compared_by_class() -> None:
    target = np.array([[1.0, 0], [0, 1], [0, 1], [1, 0]])
    ticket = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])

    accuracy = compare_predictions(target, ticket, np.array([0, 1, 1, 1]))

    assert (accuracy.target, accuracy.ticket, accuracy.agreement) == (0.75, 0.75, 0.5)
    assert accuracy.samples == 4


@pytest.mark.parametrize("activation", [TANH, SIGMOID, leaky_relu(0.3)])
def test_activations_keep_single_precision_and_their_slopes(activation: Activation) -> None:
    tiny = 1e-6
    right = (activation.value(np.array([tiny])) - activation.intercept) / tiny
    left = (activation.value(np.array([-tiny])) - activation.intercept) / -tiny

    assert activation.value(np.zeros(3, np.float32)).dtype == np.float32
    assert right == pytest.approx(activation.m_plus, rel=1e-4)
    assert left == pytest.approx(activation.m_minus, rel=1e-4)
    assert np.isfinite(activation.value(np.array([-1e4, 1e4]))).all()
