"""A ticket's cells get the published values, all at once or some rows at a time."""

from __future__ import annotations

import numpy as np
import pytest

from ltengine.activation import RELU
from ltengine.mask import LayerMask
from ltengine.role import Role
from ltengine.source import Distribution, Pairing, Source
from ltengine.sparse_network import rebuild, ticket_layers
from ltengine.ticket import Ticket, TicketLayer

UNITS, BLOCK, INPUTS, SCALE = 5, 4, 50, 0.25


def make_ticket(distribution: Distribution, pairing: Pairing, seed: int) -> Ticket:
    rng = np.random.default_rng(7)
    keys = np.flatnonzero(rng.random(UNITS * BLOCK * INPUTS) < 0.3)
    keys = keys[keys // INPUTS != 3]  # a row without cells
    mask = LayerMask.from_cells(
        UNITS * BLOCK, INPUTS, keys // INPUTS, keys % INPUTS, np.array([0, 5, 19])
    )
    layer = TicketLayer(Role.COPIES, 1, UNITS, BLOCK, 0, RELU, SCALE, pairing, mask)
    return Ticket(INPUTS, (layer,), Source(seed, distribution), {}, "", "")


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize("pairing", Pairing)
@pytest.mark.parametrize("seed", [0, 2**64 - 3])
def test_values_are_the_published_ones(
    distribution: Distribution, pairing: Pairing, seed: int
) -> None:
    ticket = make_ticket(distribution, pairing, seed)
    mask, source = ticket.layers[0].mask, ticket.source

    (layer,) = rebuild(ticket)

    expected = source.weights(1, mask.rows(), mask.columns, pairing) * SCALE
    assert (layer.values == expected).all()
    assert (layer.rows == mask.rows()).all()
    assert (layer.columns == mask.columns).all()
    bias_pairing = Pairing.ROWS if pairing is Pairing.ROWS else Pairing.NONE
    biases = source.biases(1, np.array([0, 5, 19]), bias_pairing) * SCALE
    assert (layer.biases[[0, 5, 19]] == biases).all()
    assert np.count_nonzero(layer.biases) == 3


@pytest.mark.parametrize(("first", "last"), [(0, 20), (1, 2), (3, 4), (2, 17), (20, 20), (7, 7)])
@pytest.mark.parametrize("pairing", Pairing)
def test_some_rows_are_those_of_the_whole(first: int, last: int, pairing: Pairing) -> None:
    ticket = make_ticket(Distribution.UNIFORM, pairing, 1)
    (drawn,), (whole,) = ticket_layers(ticket), rebuild(ticket)

    for part in (drawn.between(first, last), whole.between(first, last)):
        inside = (whole.rows >= first) & (whole.rows < last)
        assert (part.rows == whole.rows[inside] - first).all()
        assert (part.columns == whole.columns[inside]).all()
        assert (part.values == whole.values[inside]).all()
        assert (part.biases == whole.biases[first:last]).all()
        assert (np.diff(part.offsets) == np.diff(whole.offsets)[first:last]).all()
        assert part.width == last - first
