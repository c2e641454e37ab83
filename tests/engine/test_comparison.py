"""Two tickets beside each other: differences by name, overlaps cell by cell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltengine.comparison import compare_tickets
from ltengine.mask import LayerMask
from ltengine.ticket import Ticket
from tests.engine.networks import CONSTRUCTIONS, construct_ticket, make_spec, random_network

NETWORK = random_network([6, 5, 3], seed=1)


def ticket(construction: str = "2L", **fields: Any) -> Ticket:
    return construct_ticket(NETWORK, make_spec(construction, **fields))[0]


def cells(mask: LayerMask) -> set[tuple[int, int]]:
    kept = set(zip(mask.rows().tolist(), mask.columns.tolist(), strict=True))
    return kept | {(int(row), -1) for row in np.flatnonzero(mask.biases)}


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_a_ticket_is_equal_to_itself(construction: str) -> None:
    one = ticket(construction)

    found = compare_tickets(one, one)

    assert found["specification"] == []
    assert found["overlap"] == {
        "intersection": one.parameters,
        "union": one.parameters,
        "share": 1.0,
    }


def test_overlaps_are_those_of_sets_of_cells() -> None:
    one = ticket()
    other = ticket(tolerance={"parameter": 0.02})

    found = compare_tickets(one, other)

    assert {"pointer": "/tolerance/parameter", "first": 0.01, "second": 0.02} in found[
        "specification"
    ]
    for layer, first, second in zip(found["layers"], one.layers, other.layers, strict=True):
        assert layer["first"]["parameters"] == first.mask.cells
        if layer["overlap"] is None:
            assert layer["not_comparable"] == "DIFFERENT_SHAPE"
            continue
        kept, also_kept = cells(first.mask), cells(second.mask)
        assert layer["overlap"]["intersection"] == len(kept & also_kept)
        assert layer["overlap"]["union"] == len(kept | also_kept)
    assert any(layer["overlap"] for layer in found["layers"])


def test_masks_of_different_sources_are_not_compared() -> None:
    one, other = ticket(seed=1), ticket(seed=2)

    found = compare_tickets(one, other)

    assert {layer["not_comparable"] for layer in found["layers"]} == {"DIFFERENT_SEED"}
    assert found["overlap"] is None
    assert found["same_target"]


def test_layers_that_only_one_ticket_has_are_named() -> None:
    found = compare_tickets(ticket("L+1"), ticket("2L"))

    last = found["layers"][-1]
    assert last["first"] is None
    assert last["not_comparable"] == "NO_SUCH_LAYER"


def test_tickets_of_different_targets_say_so() -> None:
    one = ticket()

    assert not compare_tickets(one, replace(one, target_digest="0" * 64))["same_target"]
