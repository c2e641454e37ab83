"""What travels between the parts of a certificate arrives as it was, to the last bit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltengine.bounds_coding import (
    decode_bounds,
    decode_functions,
    decode_passed,
    encode_bounds,
    encode_functions,
    encode_passed,
)
from ltengine.certificate import CertifiedLayers
from ltengine.errors import EngineError
from ltengine.part_file import Part, combine, load_part, save_part
from ltengine.sparse_network import ticket_layers
from tests.engine.networks import construct_ticket, make_spec, random_network


def travel(part: Part, folder: Path) -> Part:
    save_part(part, folder / "part")
    return load_part(folder / "part")


def same(first: Any, second: Any) -> bool:
    if isinstance(first, np.ndarray):
        return bool(np.array_equal(first, second) and first.dtype == second.dtype)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def walk(construction: str) -> CertifiedLayers:
    network = random_network([7, 6, 4, 3], seed=2)
    spec = make_spec(construction, input={"low": -1.0, "high": 1.0})
    ticket, _ = construct_ticket(network, spec)
    return CertifiedLayers(ticket, network, ticket_layers(ticket), spec)


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize("construction", ["2L", "L+1"])
def test_bounds_and_functions_arrive_as_they_were(
    construction: str, keeps: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not keeps:
        monkeypatch.setattr("ltengine.enclosure.MOST_KEPT", 0)
    certified = walk(construction)
    while not certified.at_outputs:
        bounds = certified.bound_next()
        assert (bounds.remainder is not None) == keeps
        arrived = decode_bounds(travel(encode_bounds(bounds), tmp_path))
        assert same(asdict(bounds), asdict(arrived))
        certified.add(arrived)

    functions = certified.output_functions()
    assert functions is not None
    arrived_functions = decode_functions(travel(encode_functions(functions), tmp_path))
    assert same([asdict(f) for f in functions], [asdict(f) for f in arrived_functions])
    passed = certified.pass_on(functions, 2, 0, certified.enclosure.copies[1].error.size)
    arrived_passed = decode_passed(travel(encode_passed([*passed, None]), tmp_path))
    assert arrived_passed.pop() is None
    assert same([asdict(p) for p in passed if p], [asdict(p) for p in arrived_passed if p])
    assert len(arrived_passed) == len(passed)


def test_parts_are_had_again_by_their_prefix(tmp_path: Path) -> None:
    first = Part({"a": np.arange(3)}, {"x": 1})
    second = Part({"a": np.ones((2, 2)), "b.c": np.zeros(0)}, {})

    whole = travel(combine({"first.": first, "second.": second}), tmp_path)

    assert same(dict(whole.named("first.").arrays), dict(first.arrays))
    assert whole.named("first.").figures == {"x": 1}
    assert same(dict(whole.named("second.").arrays), dict(second.arrays))


def test_a_file_that_is_no_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"something else")

    with pytest.raises(EngineError, match="not a part of a check") as refused:
        load_part(tmp_path / "part")

    assert refused.value.code == "INVALID_PIECE"
