"""Constructions on small targets: every ticket verifies, and computes what it claims."""

from __future__ import annotations

import hashlib

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltengine.activation import specified_activation
from ltengine.cell_problem import DrawnCellSolver
from ltengine.certificate import certify
from ltengine.construction import construct
from ltengine.effective import (
    chunks_of_copies,
    effective_parameters,
    input_meaning,
    live_cells,
    live_copies,
    live_neurons,
    next_meaning,
    parameter_errors,
)
from ltengine.errors import Canceled, UnsolvedProblemsError
from ltengine.evaluation import compact, evaluate_ticket
from ltengine.layer_solver import spare_offers
from ltengine.network import DenseLayer, Network, build_network
from ltengine.role import Role
from ltengine.solvers.meet_in_the_middle import MeetInTheMiddleSolver
from ltengine.sparse_network import rebuild, ticket_layers
from ltengine.specification import Specification
from ltengine.statistics.drawn_ticket import draw_ticket
from ltengine.ticket import Ticket
from ltengine.ticket_file import ticket_digest
from ltengine.verification import verify
from tests.engine.networks import (
    ACTIVATIONS,
    CONSTRUCTIONS,
    construct_ticket,
    make_spec,
    networks,
    random_network,
)


def check_ticket(network: Network, spec: Specification) -> None:
    """The ticket verifies, and its output stays within its own certificate."""
    ticket, _ = construct_ticket(network, spec)
    verdict = verify(ticket, network)

    assert verdict.reasons == ()
    assert verdict.largest_parameter_error is not None
    assert spec.tolerance.parameter is not None
    assert verdict.largest_parameter_error <= spec.tolerance.parameter

    layers = rebuild(ticket)
    bound = certify(ticket, network, layers, spec)
    domain = spec.input
    inputs = np.random.default_rng(0).uniform(
        domain.normalised_low, domain.normalised_high, (64, network.inputs)
    )
    target = network.evaluate(inputs, specified_activation(spec))
    found = evaluate_ticket(compact(layers), inputs.astype(np.float32))
    rounding = 1e-4 * (1 + np.abs(target).max())
    assert (np.abs(found - target).max(axis=0) <= bound + rounding).all()


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("domain", [{"low": 0.0, "high": 1.0}, {"low": -1.0, "high": 2.0}])
@pytest.mark.parametrize("biases", [True, False])
def test_tickets_of_a_small_network(
    construction: str, activation: str, domain: dict[str, float], biases: bool
) -> None:
    network = random_network([6, 5, 4, 3], seed=3, biases=biases)

    check_ticket(network, make_spec(construction, activation, input=domain))


@given(
    network=networks(),
    construction=st.sampled_from(CONSTRUCTIONS),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    seed=st.integers(0, 2**64 - 1),
)
@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_any_network_gets_a_ticket_that_verifies(
    network: Network, construction: str, activation: str, seed: int
) -> None:
    domain = {"low": -1.0, "high": 1.0}

    check_ticket(network, make_spec(construction, activation, seed=seed, input=domain))


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_a_network_of_one_layer(construction: str) -> None:
    check_ticket(random_network([4, 2]), make_spec(construction))


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_threads_and_chunks_do_not_change_the_ticket(construction: str) -> None:
    network = random_network([20, 12, 9, 4], density=0.6)
    spec = make_spec(construction, input={"low": -1.0, "high": 1.0})
    all_threads = numba.get_num_threads()
    digests = set()
    try:
        for threads in (1, all_threads):
            numba.set_num_threads(threads)
            for chunk in (1, 37, 10**6):
                ticket, _ = construct_ticket(network, spec, chunk)
                digests.add(ticket_digest(ticket))
    finally:
        numba.set_num_threads(all_threads)

    assert len(digests) == 1


def test_another_solver_gives_the_same_ticket() -> None:
    network = random_network([8, 6, 3])
    spec = make_spec("L+1")

    _, found = construct_ticket(network, spec)
    solver = DrawnCellSolver(MeetInTheMiddleSolver())
    other = construct(network, specified_activation(spec), spec, solver=solver)

    for mask, other_mask in zip(found.masks, other.masks, strict=True):
        assert (mask.columns == other_mask.columns).all()
        assert (mask.offsets == other_mask.offsets).all()


GOLDEN = {
    "2L": "18db0002f3b68e54cacba14f020f2833325d7fd5e1de5a79fc478eade268c7b2",
    "L+1": "5764ace8b8a9a7d1537ca7e50e6f0f7c3021a0488d862fcbed0a1a93d47a3634",
}


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_golden_masks(construction: str) -> None:
    """A change here means that published specs no longer reproduce their tickets: say so."""
    weights = [[[0.5, -0.25, 0.125], [0.3, 0.9, -0.7]], [[1.5, -0.0625], [0.2, -0.4]]]
    layers = [
        DenseLayer(str(number), np.array(weight), np.array([0.1, -0.6]))
        for number, weight in enumerate(weights)
    ]
    spec = make_spec(construction, input={"low": -1.0, "high": 1.0})

    _, found = construct_ticket(build_network(layers), spec)

    state = hashlib.sha256()
    for mask in found.masks:
        for part in (mask.offsets, mask.columns, np.flatnonzero(mask.biases)):
            state.update(part.astype("<i8").tobytes())
    assert state.hexdigest() == GOLDEN[construction]


def test_another_seed_gives_another_ticket() -> None:
    network = random_network([5, 4, 2])

    first, _ = construct_ticket(network, make_spec("L+1", seed=1))
    second, _ = construct_ticket(network, make_spec("L+1", seed=2))

    assert ticket_digest(first) != ticket_digest(second)


def test_no_more_copies_are_built_than_are_read() -> None:
    network = random_network([6, 5, 4])

    ticket, _ = construct_ticket(network, make_spec("L+1"))

    for layer, above in zip(ticket.layers, ticket.layers[1:], strict=False):
        built = np.flatnonzero(np.diff(layer.mask.offsets) + layer.mask.biases)
        assert np.isin(built, above.mask.used_columns()).all()


def test_nonnegative_inputs_need_no_negative_half() -> None:
    network = random_network([10, 8], biases=False)

    _, one_sided = construct_ticket(network, make_spec("L+1", input={"low": 0.0, "high": 1.0}))
    _, two_sided = construct_ticket(network, make_spec("L+1", input={"low": -1.0, "high": 1.0}))

    assert two_sided.counts.total == 2 * one_sided.counts.total


def test_spares_solve_what_a_small_base_set_cannot() -> None:
    network = random_network([10, 10], biases=False)

    ticket, found = construct_ticket(network, make_spec("L+1", base_set={"size": 8}))

    assert found.counts.spare_used > 0
    assert verify(ticket, network).valid


def test_what_no_base_set_can_solve_fails_by_name() -> None:
    network = random_network([10, 10], biases=False)
    spec = make_spec(
        "L+1", base_set={"size": 2, "largest_subset": 1}, tolerance={"parameter": 1e-4}
    )

    with pytest.raises(UnsolvedProblemsError, match="target layer 1, neuron 0, input 0 = "):
        construct_ticket(network, spec)


def test_cancel_stops_the_construction() -> None:
    network, spec = random_network([5, 5]), make_spec("2L")

    with pytest.raises(Canceled):
        construct(network, specified_activation(spec), spec, cancel=lambda: True)


def test_progress_ends_at_no_more_than_its_total() -> None:
    seen: list[tuple[str, int, int]] = []
    network, spec = random_network([5, 5, 5]), make_spec("L+1")

    construct(
        network,
        specified_activation(spec),
        spec,
        problems_per_chunk=10,
        progress=lambda stage, done, total: seen.append((stage, done, total)),
    )

    assert len(seen) > 3
    assert all(stage == "construct" and 0 < done <= total for stage, done, total in seen)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


@given(size=st.integers(1, 32), spares=st.integers(0, 40))
def test_offers_widen_then_slide_and_reach_every_spare(size: int, spares: int) -> None:
    offers = list(spare_offers(size, size + spares))

    assert all(0 <= first < last <= size + spares for first, last in offers)
    assert all(last - first <= max(size, 32) for first, last in offers)
    reached = max((last for _, last in offers), default=size)
    assert reached == size + spares


def mean_weight_error(ticket: Ticket, network: Network) -> float:
    """Over all copies of all weights."""
    meaning, errors = input_meaning(ticket.inputs, 0.0, 1.0), []
    layers = zip(ticket.layers, ticket_layers(ticket), live_neurons(ticket), strict=True)
    for layer, cells, used in layers:
        if layer.role is Role.COPIES:
            target = network.layers[layer.target_layer - 1]
            copies = live_copies(layer, used)
            for chunk in chunks_of_copies(layer, copies, meaning.units):
                own = live_cells(cells, chunk)
                rows = effective_parameters(layer, own, meaning, nonnegative=True)
                errors.append(parameter_errors(rows, target)[0].reshape(-1))
        meaning = next_meaning(layer, cells, meaning, used)
    return float(np.concatenate(errors).mean())


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_the_least_error_objective_makes_a_nearer_ticket(construction: str) -> None:
    network = random_network([12, 10, 4], seed=5)
    errors = {}
    for objective in ("smallest_subsets", "least_error"):
        spec = make_spec(construction, objective=objective, seed=3)
        ticket, _ = construct_ticket(network, spec)
        assert verify(ticket, network).reasons == ()
        errors[objective] = mean_weight_error(ticket, network)

    assert errors["least_error"] < errors["smallest_subsets"] / 10


def test_a_drawn_ticket_has_the_subset_sizes_of_its_objective() -> None:
    network = random_network([12, 10, 4], seed=5)
    spec = make_spec("L+1", objective="least_error", seed=3)
    _, found = construct_ticket(network, spec)

    drawn = draw_ticket(network, specified_activation(spec), spec)

    assert drawn.mean_size == pytest.approx(found.counts.mean_size, abs=0.3)
    assert drawn.mean_size > 6
