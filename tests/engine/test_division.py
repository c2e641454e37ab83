"""Dividing constructions: any division, built by anyone in any order, makes the same ticket."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ltengine.activation import specified_activation
from ltengine.blueprint import Blueprint, draw_blueprint
from ltengine.certified_construction import assemble_ticket
from ltengine.construction import Construction, construct
from ltengine.device import cell_solver
from ltengine.division import (
    Piece,
    Shard,
    StoredPiece,
    build_shard,
    merge_pieces,
    plan_wave,
    waves,
)
from ltengine.errors import Canceled, EngineError, UnsolvedProblemsError
from ltengine.network import Network
from ltengine.specification import Specification
from ltengine.ticket_file import ticket_digest
from tests.engine.networks import ACTIVATIONS, CONSTRUCTIONS, make_spec, networks, random_network

SOLVER = cell_solver("cpu")

CARRIERS: dict[str, dict[str, Any]] = {
    "one sign": {"input": {"low": 0.0, "high": 1.0}},
    "both signs": {"input": {"low": -1.0, "high": 1.0}},
    "pairs": {"source": {"initialization": "looks_linear"}},
    "always on": {"source": {"carriers": "biased"}, "input": {"low": -1.0, "high": 1.0}},
    "normal": {"source": {"distribution": "normal"}},
    "biases everywhere": {"source": {"biases": "all_layers"}},
    "least error": {"objective": "least_error"},
    "any sign": {"source": {"first_layer_activation": "identity"}},
}


def draw(network: Network, spec: Specification) -> Blueprint:
    return draw_blueprint(network, specified_activation(spec), spec)


def build_all(blueprint: Blueprint, problems_per_shard: int, order: random.Random) -> list[Piece]:
    """Every wave's shards, each wave in a random order."""
    pieces: list[Piece] = []
    for wave in range(len(waves(blueprint))):
        read: dict[int, np.ndarray] = {}
        for piece in pieces:
            layer = piece.shard.layer
            read[layer] = read.get(layer, False) | piece.reads()
        shards = plan_wave(blueprint, wave, read, problems_per_shard)
        order.shuffle(shards)
        pieces += [build_shard(blueprint, shard, SOLVER) for shard in shards]
    order.shuffle(pieces)
    return pieces


def _unchanged(piece: Piece) -> Piece:
    return piece


def stored(pieces: list[Piece]) -> list[StoredPiece]:
    return [StoredPiece(piece.shard, partial(_unchanged, piece)) for piece in pieces]


def merge(blueprint: Blueprint, pieces: list[Piece]) -> Construction:
    return merge_pieces(blueprint, stored(pieces), SOLVER)


def outcome(network: Network, spec: Specification, found: Construction) -> tuple[Any, ...]:
    counts = found.counts
    return (
        ticket_digest(assemble_ticket(found, network, spec)),
        counts.total,
        counts.unsolved,
        counts.spare_used,
        counts.histogram.tolist(),
    )


def outcomes(
    network: Network, spec: Specification, problems_per_shard: int, seed: int
) -> tuple[Any, Any]:
    """Of the undivided and of the divided construction: the figures, or the failure's words."""
    try:
        whole = outcome(network, spec, construct(network, specified_activation(spec), spec))
    except UnsolvedProblemsError as failure:
        whole = (failure.code, failure.detail)
    try:
        blueprint = draw(network, spec)
        pieces = build_all(blueprint, problems_per_shard, random.Random(seed))
        divided = outcome(network, spec, merge(blueprint, pieces))
    except UnsolvedProblemsError as failure:
        divided = (failure.code, failure.detail)
    return whole, divided


@given(
    network=networks(),
    construction=st.sampled_from(CONSTRUCTIONS),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    problems=st.sampled_from([7, 50, 300, 10**9]),
    size=st.sampled_from([3, 20]),
    seed=st.integers(0, 2**32),
)
@settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
def test_any_division_in_any_order_makes_the_same_ticket_or_the_same_failure(
    network: Network, construction: str, activation: str, problems: int, size: int, seed: int
) -> None:
    base_set = {"size": size, "largest_subset": min(size, 10)}
    domain = {"low": -1.0, "high": 1.0}
    spec = make_spec(construction, activation, seed=seed, input=domain, base_set=base_set)

    whole, divided = outcomes(network, spec, problems, seed)

    assert divided == whole


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
@pytest.mark.parametrize("carriers", CARRIERS)
def test_every_kind_of_carrier(construction: str, carriers: str) -> None:
    network = random_network([6, 5, 4, 3], density=0.8, seed=4)
    spec = make_spec(construction, **CARRIERS[carriers])

    whole, divided = outcomes(network, spec, 150, seed=1)

    assert len(whole) > 2
    assert divided == whole


@pytest.mark.parametrize("depth", [4, 5, 6, 8])
def test_other_depths(depth: int) -> None:
    """L + 1, between, 2L, and carriers in chains."""
    network = random_network([6, 5, 4, 3], seed=8)
    spec = make_spec("L+1", source={"depth": depth, "first_layer_activation": "identity"})

    whole, divided = outcomes(network, spec, 60, seed=2)

    assert len(whole) > 2
    assert divided == whole


def test_a_failure_of_several_shards_is_told_in_the_same_words() -> None:
    spec = make_spec(
        "L+1", base_set={"size": 2, "largest_subset": 1}, tolerance={"parameter": 1e-4}
    )

    whole, divided = outcomes(random_network([10, 10, 3]), spec, 20, seed=3)

    assert whole[0] == "UNSOLVED_PROBLEMS"
    assert divided == whole


def test_two_layers_for_each_are_one_wave_and_single_layers_one_wave_each() -> None:
    network = random_network([6, 5, 4, 3])

    assert [len(wave) for wave in waves(draw(network, make_spec("2L")))] == [3]
    assert [len(wave) for wave in waves(draw(network, make_spec("L+1")))] == [1, 1, 1]


def test_rows_that_no_weight_reads_are_neither_planned_nor_merged() -> None:
    network = random_network([6, 5, 4])
    network.layers[1].weight[:, 2] = 0.0
    network.layers[1].weight[:, 3] = 1e-6  # its problems are solved by nothing
    blueprint = draw(network, make_spec("2L"))

    planned = [row for shard in plan_wave(blueprint, 0, {}, 10) for row in shard.rows]
    whole, divided = outcomes(network, make_spec("2L"), 10, seed=0)

    assert 2 not in planned[-5:]
    assert divided == whole


def test_shards_pose_about_as_many_problems_as_asked() -> None:
    network = random_network([50, 40, 3], density=0.5)
    blueprint = draw(network, make_spec("2L"))

    shards = plan_wave(blueprint, 0, {}, 200)
    posed = [build_shard(blueprint, shard, SOLVER).counts.table[:, 1:].sum() for shard in shards]

    assert len(shards) > 4
    assert max(posed) < 300


def test_a_missing_shard_and_an_overlap_are_named() -> None:
    blueprint = draw(random_network([6, 5, 4]), make_spec("2L"))
    pieces = build_all(blueprint, 10, random.Random(0))

    with pytest.raises(EngineError, match="built by no shard") as missing:
        merge(blueprint, pieces[1:])
    with pytest.raises(EngineError, match="overlap"):
        merge(blueprint, [*pieces, pieces[0]])

    assert missing.value.code == "SHARDS_INCOMPLETE"


def test_cancel_stops_a_shard() -> None:
    blueprint = draw(random_network([6, 5, 4]), make_spec("2L"))
    shard: Shard = plan_wave(blueprint, 0, {}, 10)[0]

    with pytest.raises(Canceled):
        build_shard(blueprint, shard, SOLVER, cancel=lambda: True)
