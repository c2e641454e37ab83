"""The verifier refuses what is not a ticket of this target, and says why."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ltengine.mask import LayerMask
from ltengine.network import DenseLayer, build_network
from ltengine.source import Source
from ltengine.ticket import Ticket
from ltengine.verification import verify
from tests.engine.networks import CONSTRUCTIONS, construct_ticket, make_spec, random_network

NETWORK = random_network([6, 5, 4, 3], seed=9)


@pytest.fixture(params=CONSTRUCTIONS)
def ticket(request: pytest.FixtureRequest) -> Ticket:
    spec = make_spec(request.param, input={"low": -1.0, "high": 1.0})
    return construct_ticket(NETWORK, spec)[0]


def with_mask(ticket: Ticket, number: int, mask: LayerMask) -> Ticket:
    layers = list(ticket.layers)
    layers[number - 1] = replace(layers[number - 1], mask=mask)
    return replace(ticket, layers=tuple(layers))


def cells_of(ticket: Ticket, number: int) -> tuple[LayerMask, np.ndarray, np.ndarray]:
    mask = ticket.layers[number - 1].mask
    return mask, mask.rows(), mask.columns


def without_cell(ticket: Ticket, number: int, place: int) -> Ticket:
    mask, rows, columns = cells_of(ticket, number)
    changed = LayerMask.from_cells(
        mask.width,
        mask.inputs,
        np.delete(rows, place),
        np.delete(columns, place),
        np.flatnonzero(mask.biases),
    )
    return with_mask(ticket, number, changed)


def with_cell(ticket: Ticket, number: int, row: int, column: int) -> Ticket:
    mask, rows, columns = cells_of(ticket, number)
    changed = LayerMask.from_cells(
        mask.width,
        mask.inputs,
        np.append(rows, row),
        np.append(columns, column),
        np.flatnonzero(mask.biases),
    )
    return with_mask(ticket, number, changed)


def codes(reasons: tuple[str, ...]) -> set[str]:
    return {reason.split(":")[0] for reason in reasons}


def test_a_true_ticket_is_accepted(ticket: Ticket) -> None:
    verdict = verify(ticket, NETWORK)

    assert verdict.valid
    assert verdict.reasons == ()


def test_every_dropped_cell_of_the_last_layer_is_noticed(ticket: Ticket) -> None:
    last = len(ticket.layers)
    for place in range(ticket.layers[-1].mask.columns.size):
        verdict = verify(without_cell(ticket, last, place), NETWORK)

        assert not verdict.valid
        assert codes(verdict.reasons) & {"PARAMETER_ERROR", "DEAD_CELL"}


def test_a_dropped_univariate_cell_is_a_structural_fault(ticket: Ticket) -> None:
    verdict = verify(without_cell(ticket, 1, 0), NETWORK)

    assert not verdict.valid
    assert codes(verdict.reasons) == {"STRUCTURE"}


def test_an_added_cell_is_noticed(ticket: Ticket) -> None:
    last = len(ticket.layers)
    mask, rows, columns = cells_of(ticket, last)
    read = set(columns[rows == 0].tolist())
    free = next(c for c in mask.used_columns().tolist() if c not in read)

    verdict = verify(with_cell(ticket, last, 0, free), NETWORK)

    assert codes(verdict.reasons) == {"PARAMETER_ERROR"}


def test_a_cell_in_a_neuron_that_nothing_reads_is_noticed(ticket: Ticket) -> None:
    used = set(ticket.layers[1].mask.used_columns().tolist())
    dead = next(r for r in range(ticket.layers[0].first_constant) if r not in used)
    column = dead // ticket.layers[0].block_size

    verdict = verify(with_cell(ticket, 1, dead, column), NETWORK)

    assert codes(verdict.reasons) == {"DEAD_CELL"}


def test_another_seed_is_refused(ticket: Ticket) -> None:
    verdict = verify(replace(ticket, source=Source(1)), NETWORK)

    assert codes(verdict.reasons) == {"SEED_MISMATCH", "PARAMETER_ERROR"}


def test_a_seed_changed_everywhere_is_refused(ticket: Ticket) -> None:
    source = {**ticket.specification["source"], "seed": 1}
    spec = {**ticket.specification, "source": source}

    verdict = verify(replace(ticket, source=Source(1), specification=spec), NETWORK)

    assert codes(verdict.reasons) == {"PARAMETER_ERROR"}


def test_another_checkpoint_is_refused(ticket: Ticket) -> None:
    layers = list(NETWORK.layers)
    weight = layers[1].weight.copy()
    weight[0, 0] += 0.05
    layers[1] = DenseLayer(layers[1].name, weight, layers[1].bias)

    verdict = verify(ticket, build_network(layers))

    assert codes(verdict.reasons) == {"TARGET_MISMATCH", "PARAMETER_ERROR"}


def test_a_checkpoint_of_another_shape_is_refused(ticket: Ticket) -> None:
    verdict = verify(ticket, random_network([6, 5, 3]))

    assert codes(verdict.reasons) == {"TARGET_MISMATCH", "SHAPE"}
    assert verdict.largest_parameter_error is None


def test_a_tighter_stated_tolerance_is_held_against_the_ticket(ticket: Ticket) -> None:
    spec = {**ticket.specification, "tolerance": {"parameter": 1e-5}}

    verdict = verify(replace(ticket, specification=spec), NETWORK)

    assert codes(verdict.reasons) == {"PARAMETER_ERROR"}


def test_a_bias_cell_past_the_first_layer_is_refused(ticket: Ticket) -> None:
    mask, rows, columns = cells_of(ticket, len(ticket.layers))
    biased = LayerMask.from_cells(mask.width, mask.inputs, rows, columns, np.array([0]))

    verdict = verify(with_mask(ticket, len(ticket.layers), biased), NETWORK)

    assert "BIAS_CELL" in codes(verdict.reasons)


def test_a_copy_claimed_to_be_another_neuron_is_refused(ticket: Ticket) -> None:
    mask, rows, columns = cells_of(ticket, len(ticket.layers))
    swapped = np.where(rows < 2, 1 - rows, rows)
    changed = LayerMask.from_cells(mask.width, mask.inputs, swapped, columns, rows[:0])

    verdict = verify(with_mask(ticket, len(ticket.layers), changed), NETWORK)

    assert codes(verdict.reasons) == {"PARAMETER_ERROR"}


def test_another_activation_is_refused(ticket: Ticket) -> None:
    spec = {**ticket.specification, "activation": {"name": "leaky_relu", "slope": 0.5}}

    verdict = verify(replace(ticket, specification=spec), NETWORK)

    assert "ACTIVATION" in codes(verdict.reasons)
