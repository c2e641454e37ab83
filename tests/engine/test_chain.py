"""Chains against the networks they stand for, and their gradients against differences."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray

from ltengine.activation import IDENTITY, specified_activation
from ltengine.chain import (
    NEURONS_PER_BLOCK,
    Chain,
    _stage,
    samples_per_tile,
    target_chain,
    ticket_chain,
)
from ltengine.evaluation import compact
from ltengine.sparse_network import rebuild
from ltengine.sparse_rows import SparseRows
from tests.engine.networks import (
    ACTIVATIONS,
    CONSTRUCTIONS,
    construct_ticket,
    make_spec,
    random_network,
)
from tests.engine.test_evaluation import dense_evaluation

SAMPLES_PER_TILE = samples_per_tile(np.float64)


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_chains_are_their_networks(construction: str, activation: str) -> None:
    network = random_network([6, 5, 4, 3], density=0.7)
    spec = make_spec(construction, activation, input={"low": -1.0, "high": 1.0})
    layers = rebuild(construct_ticket(network, spec)[0])
    x = np.random.default_rng(1).uniform(-1, 1, (6, SAMPLES_PER_TILE))

    ticket, _ = ticket_chain(compact(layers), 6).outputs(x)
    target, _ = target_chain(network, specified_activation(spec)).outputs(x)

    assert ticket == pytest.approx(dense_evaluation(layers, x.T).T, abs=1e-5)
    exact = network.evaluate(x.T, specified_activation(spec)).T
    assert target == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("activation", ["leaky_relu", "tanh"])
def test_a_gradient_is_what_a_small_step_changes(construction: str, activation: str) -> None:
    network = random_network([6, 5, 4, 3], density=0.7)
    spec = make_spec(construction, activation)
    layers = compact(rebuild(construct_ticket(network, spec)[0]))
    rng = np.random.default_rng(2)
    x = rng.uniform(0.2, 1, (6, SAMPLES_PER_TILE))
    weights = rng.standard_normal((3, SAMPLES_PER_TILE))
    step = 1e-7 * rng.standard_normal(x.shape)

    for chain in (
        ticket_chain(layers, 6),
        target_chain(network, specified_activation(spec)),
    ):
        before, drives = chain.outputs(x)
        after, _ = chain.outputs(x + step)
        change = (weights * (after - before)).sum(0)
        expected = (chain.gradient(drives, weights) * step).sum(0)
        assert expected == pytest.approx(change, abs=1e-10)


def test_neurons_that_carry_one_unit_are_merged() -> None:
    """A ReLU ticket's first layer becomes one neuron for each sign of each input."""
    network = random_network([6, 5, 3])
    layers = compact(rebuild(construct_ticket(network, make_spec("L+1"))[0]))
    merged = ticket_chain(layers, 6)

    constants = np.count_nonzero(layers[0].biases)
    assert layers[0].biases.size > 40
    assert merged.widths[0] <= 12 + constants
    assert merged.widths[2] == 3


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_blocks_of_rows_and_single_precision_change_roundings_alone(
    precision: type[np.float32] | type[np.float64], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = random_network([6, 9, 7, 3], density=0.7)
    layers = compact(rebuild(construct_ticket(network, make_spec("L+1"))[0]))
    drawn = np.random.default_rng(3).uniform(0, 1, (6, samples_per_tile(precision)))
    x: NDArray[np.floating] = drawn.astype(np.float32).astype(precision)
    seed = np.ones((3, x.shape[1]))
    whole = ticket_chain(layers, 6, np.float64)
    expected, drives = whole.outputs(x[:, :SAMPLES_PER_TILE].astype(np.float64, order="C"))
    gradient = whole.gradient(drives, seed[:, :SAMPLES_PER_TILE].copy())

    monkeypatch.setattr("ltengine.chain.CELLS_PER_BLOCK", 50)
    with ThreadPoolExecutor(3) as workers:
        shared = ticket_chain(layers, 6, precision, workers)
        alone = ticket_chain(layers, 6, precision)
        outputs, drives = shared.outputs(x)
        pulled = shared.gradient(drives, seed)

        assert np.array_equal(outputs, alone.outputs(x)[0])
        assert np.array_equal(pulled, alone.gradient(alone.outputs(x)[1], seed))
    assert outputs.dtype == pulled.dtype == precision
    assert outputs[:, :SAMPLES_PER_TILE] == pytest.approx(expected, abs=1e-5)
    assert pulled[:, :SAMPLES_PER_TILE] == pytest.approx(gradient, abs=1e-5)


def test_neurons_are_read_in_blocks() -> None:
    """A layer of more neurons than a block against numpy's product, forwards and back."""
    rng = np.random.default_rng(5)
    inputs, height = 2 * NEURONS_PER_BLOCK + 100, 40
    counts = rng.integers(0, 200, height)
    columns = [np.sort(rng.choice(inputs, count, replace=False)) for count in counts]
    columns[0] = np.array([0, NEURONS_PER_BLOCK - 1, NEURONS_PER_BLOCK, inputs - 1])
    offsets = np.concatenate(([0], np.cumsum([each.size for each in columns])))
    cells = SparseRows(
        offsets, np.concatenate(columns).astype(np.int32), rng.normal(size=offsets[-1]), inputs
    )
    x, pull = rng.normal(size=(inputs, SAMPLES_PER_TILE)), rng.normal(size=(height, 8))
    biases = rng.normal(size=height)
    chain = Chain([_stage(cells, biases, IDENTITY)], np.float64)

    outputs, drives = chain.outputs(x)

    matrix = cells.dense(0, height)
    assert outputs == pytest.approx(matrix @ x + biases[:, None], abs=1e-12)
    assert chain.gradient(drives, pull) == pytest.approx(matrix.T @ pull, abs=1e-7)
