"""The spec: defaults, bounds, and errors that name the field and the way out."""

from __future__ import annotations

from typing import Any

import pytest

from ltengine.errors import SpecificationError
from ltengine.specification import BaseSet, parse_specification, resolve_activation

RELU: dict[str, Any] = {"construction": "L+1", "activation": {"name": "relu"}}


def test_everything_but_the_construction_has_a_default() -> None:
    spec = parse_specification({"construction": "2L"})

    assert spec.base_set == BaseSet(size=20, largest_subset=10)
    assert spec.tolerance.parameter == 0.01
    assert spec.source.seed == 0
    assert spec.device == "auto"


def test_the_document_of_a_spec_reads_back_as_the_spec() -> None:
    spec = parse_specification({**RELU, "tolerance": {"parameter": 0.02}})

    assert parse_specification(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"construction": "3L"}, "/construction"),
        ({"tolerance": {"parameter": 0}}, "/tolerance/parameter"),
        ({"tolerance": {"parameter": float("nan")}}, "/tolerance/parameter"),
        ({"base_set": {"size": 200}}, "/base_set/size"),
        ({"base_set": {"largest_subset": 0}}, "/base_set/largest_subset"),
        ({"source": {"seed": -1}}, "/source/seed"),
        ({"source": {"seed": 2**64}}, "/source/seed"),
        ({"activation": {"name": "swish"}}, "/activation/name"),
        ({"activation": {"name": "relu", "slope": 0.1}}, "/activation"),
        ({"input": {"low": 1.0, "high": 0.0}}, "/input"),
        ({"input": {"std": 0.0}}, "/input/std"),
        ({"colour": "red"}, "/colour"),
        ({"source": {"sead": 3}}, "/source/sead"),
        ({"failure_probability": 0}, "/failure_probability"),
        ({"device": "tpu"}, "/device"),
        ({"activation": {"name": "tanh"}}, ""),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(SpecificationError) as caught:
        parse_specification({**RELU, **change})

    assert [problem["pointer"] for problem in caught.value.problems] == [pointer]
    assert caught.value.problems[0]["detail"]


def test_every_wrong_field_is_listed() -> None:
    with pytest.raises(SpecificationError) as caught:
        parse_specification({"construction": "4L", "base_set": {"size": 0}, "x": 1})

    pointers = {problem["pointer"] for problem in caught.value.problems}
    assert pointers == {"/construction", "/base_set/size", "/x"}


def test_tanh_asks_for_an_identity_first_layer_and_says_so() -> None:
    with pytest.raises(SpecificationError, match='first_layer_activation to "identity"'):
        parse_specification({"construction": "2L", "activation": {"name": "tanh"}})


def test_the_activation_comes_from_the_checkpoint_where_the_spec_has_none() -> None:
    spec = parse_specification({"construction": "2L"})

    resolved = resolve_activation(spec, "relu").activation

    assert resolved is not None
    assert resolved.name == "relu"
    with pytest.raises(SpecificationError, match="does not name its activation"):
        resolve_activation(spec, None)
