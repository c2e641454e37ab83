"""Submissions that must be refused: each wrong field by JSON pointer, with a way out."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from ltengine.errors import SpecificationError
from ltengine.specification import parse_specification
from tests.service.running_api import SPEC, RunningApi, upload


@pytest.fixture(scope="module")
def api(shared_api: RunningApi) -> RunningApi:
    return shared_api


@pytest.fixture(scope="module")
def checkpoint_id(api: RunningApi) -> str:
    return str(upload(api.client)["id"])


def refuse(api: RunningApi, document: Any) -> list[dict[str, str]]:
    """The errors of a submission that must be refused, and must leave no job."""
    return errors_of(api, api.client.post("/v1/jobs", **as_json(document)))


def as_json(document: Any) -> dict[str, Any]:
    """Python's own JSON: unlike the client's, it writes NaN and lone surrogates."""
    return {"content": json.dumps(document), "headers": {"Content-Type": "application/json"}}


def errors_of(api: RunningApi, answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 422, answer.text
    problem = answer.json()
    assert problem["code"] == "INVALID_REQUEST"
    assert problem["detail"]
    assert api.client.get("/v1/jobs").json()["data"] == []
    for error in problem["errors"]:
        assert error["code"]
        assert error["detail"]
    return list(problem["errors"])


SPECIFICATIONS: list[tuple[str, dict[str, Any], str]] = [
    ("tolerance 0", {"tolerance": {"parameter": 0}}, "/tolerance/parameter"),
    ("tolerance NaN", {"tolerance": {"parameter": float("nan")}}, "/tolerance/parameter"),
    ("tolerance infinite", {"tolerance": {"parameter": float("inf")}}, "/tolerance/parameter"),
    ("tolerance negative", {"tolerance": {"parameter": -0.01}}, "/tolerance/parameter"),
    ("tolerance text", {"tolerance": {"parameter": "small"}}, "/tolerance/parameter"),
    ("base set 200", {"base_set": {"size": 200}}, "/base_set/size"),
    ("base set 0", {"base_set": {"size": 0}}, "/base_set/size"),
    ("base set huge", {"base_set": {"size": 10**4000}}, "/base_set/size"),
    ("activation", {"activation": {"name": "swish"}}, "/activation/name"),
    ("no activation name", {"activation": {}}, "/activation/name"),
    ("slope of relu", {"activation": {"name": "relu", "slope": 0.1}}, "/activation"),
    ("construction", {"construction": "3L"}, "/construction"),
    ("seed 2^200", {"source": {"seed": 2**200}}, "/source/seed"),
    ("seed negative", {"source": {"seed": -1}}, "/source/seed"),
    ("seed 1.5", {"source": {"seed": 1.5}}, "/source/seed"),
    ("unknown field", {"epsilon": 0.01}, "/epsilon"),
    ("unknown inner field", {"base_set": {"m": 20}}, "/base_set/m"),
    ("std 0", {"input": {"std": 0}}, "/input/std"),
    ("std NaN", {"input": {"std": float("nan")}}, "/input/std"),
    ("empty domain", {"input": {"low": 1, "high": 0}}, "/input"),
    ("delta 1", {"failure_probability": 1}, "/failure_probability"),
    ("device", {"device": "tpu"}, "/device"),
    ("a list", {"tolerance": [0.01]}, "/tolerance"),
    ("identity missing", {"activation": {"name": "tanh"}}, ""),
]


@pytest.mark.parametrize(
    ("change", "pointer"), [case[1:] for case in SPECIFICATIONS], ids=[c[0] for c in SPECIFICATIONS]
)
def test_a_wrong_spec_is_refused_in_the_words_of_the_engine(
    api: RunningApi, checkpoint_id: str, change: dict[str, Any], pointer: str
) -> None:
    specification = {**SPEC, **change}
    with pytest.raises(SpecificationError) as refusal:
        parse_specification(specification)

    errors = refuse(api, {"checkpoint_id": checkpoint_id, "spec": specification})

    assert [error["pointer"] for error in errors] == ["/spec" + pointer]
    assert [error["detail"] for error in errors] == [
        problem["detail"] for problem in refusal.value.problems
    ]
    assert [error["code"] for error in errors] == [
        problem["code"] for problem in refusal.value.problems
    ]


def test_all_wrong_fields_are_named_at_once(api: RunningApi) -> None:
    errors = refuse(
        api,
        {
            "spec": {"tolerance": {"parameter": 0}, "base_set": {"size": 200}},
            "labels": {"a": 1},
            "urgency": 3,
        },
    )

    assert {error["pointer"] for error in errors} == {
        "/checkpoint_id",
        "/spec/construction",
        "/spec/tolerance/parameter",
        "/spec/base_set/size",
        "/labels/a",
        "/urgency",
    }


@pytest.mark.parametrize("specification", [None, [], "2L", 1, True])
def test_a_spec_that_is_no_object_is_refused(
    api: RunningApi, checkpoint_id: str, specification: Any
) -> None:
    (error,) = refuse(api, {"checkpoint_id": checkpoint_id, "spec": specification})

    assert error["pointer"] == "/spec"


LABELS: list[tuple[str, Any]] = [
    ("too many", {f"name{number}": "" for number in range(17)}),
    ("an empty name", {"": "value"}),
    ("a long name", {"x" * 64: "value"}),
    ("a long value", {"name": "x" * 257}),
    ("a line break in a name", {"a\nb": "value"}),
    ("a line break in a value", {"name": "a\r\nb"}),
    ("NUL", {"name": "a\x00b"}),
    ("a lone surrogate in a value", {"name": "\ud800"}),
    ("a lone surrogate in a name", {"\ud800": "value"}),
    ("a number", {"name": 1}),
    ("a list", ["name"]),
    ("an object", {"name": {}}),
]


@pytest.mark.parametrize("labels", [case[1] for case in LABELS], ids=[case[0] for case in LABELS])
def test_a3_labels_are_bounded_text(api: RunningApi, checkpoint_id: str, labels: Any) -> None:
    errors = refuse(api, {"checkpoint_id": checkpoint_id, "spec": SPEC, "labels": labels})

    assert all(error["pointer"].startswith("/labels") for error in errors)


BODIES = [
    ("nothing", b""),
    ("half a document", b'{"checkpoint_id": "ckp'),
    ("a list", b"[]"),
    ("null", b"null"),
    ("text", b"hello"),
    ("a number", b"1"),
    ("trailing data", b"{} {}"),
]


@pytest.mark.parametrize("content", [case[1] for case in BODIES], ids=[case[0] for case in BODIES])
def test_a_body_that_is_no_object_is_refused(api: RunningApi, content: bytes) -> None:
    answer = api.client.post(
        "/v1/jobs", content=content, headers={"Content-Type": "application/json"}
    )

    (error,) = errors_of(api, answer)
    assert error["pointer"] == ""


UNREADABLE = [
    ("not UTF-8", b'{"checkpoint_id": "\xff"}'),
    ("a number of 5000 digits", b'{"spec": ' + b"9" * 5000 + b"}"),
]


@pytest.mark.parametrize(
    "content", [case[1] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE]
)
def test_a_body_that_cannot_be_read_is_refused(api: RunningApi, content: bytes) -> None:
    answer = api.client.post(
        "/v1/jobs", content=content, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "MALFORMED_REQUEST"


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000],
    ids=["100,000 nested lists", "100,000 nested objects"],
)
def test_a_body_nested_beyond_reading_is_refused(api: RunningApi, content: bytes) -> None:
    answer = api.client.post(
        "/v1/jobs", content=content, headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "TOO_DEEP")


@pytest.mark.parametrize("depth", [50, 500, 900, 950, 990])
def test_nesting_that_can_just_be_read_is_refused_too(api: RunningApi, depth: int) -> None:
    content = b'{"spec": ' + b"[" * depth + b"]" * depth + b"}"

    answer = api.client.post(
        "/v1/jobs", content=content, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code in (400, 422), answer.text


def test_a_body_of_another_type_is_refused_with_a_way_out(api: RunningApi) -> None:
    answer = api.client.post("/v1/jobs", content=b"{}", headers={"Content-Type": "text/plain"})

    (error,) = errors_of(api, answer)
    assert "Content-Type: application/json" in error["detail"]


def test_a_document_has_a_size(api: RunningApi) -> None:
    large = b'{"x": "' + b"a" * (1 << 20) + b'"}'

    answers = [
        api.client.post("/v1/jobs", content=large, headers={"Content-Type": "application/json"}),
        api.client.post(
            "/v1/jobs", content=iter([large]), headers={"Content-Type": "application/json"}
        ),
    ]

    for answer in answers:
        assert answer.status_code == 413
        assert answer.json()["code"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize(
    "identifier", ["", "ckp", "ckp_" + "0" * 26, "../x", "\x00", "\ud800", "x" * 10_000, "☃"]
)
@pytest.mark.parametrize("field", ["checkpoint_id", "dataset_id"])
def test_an_id_that_leads_nowhere_is_not_found(
    api: RunningApi, checkpoint_id: str, field: str, identifier: str
) -> None:
    document = {"checkpoint_id": checkpoint_id, "spec": SPEC, field: identifier}

    answer = api.client.post("/v1/jobs", **as_json(document))

    assert answer.status_code in (404, 422), answer.text
    assert answer.json()["code"] in ("NOT_FOUND", "INVALID_REQUEST")


def test_an_unknown_status_is_refused(api: RunningApi) -> None:
    (error,) = errors_of(api, api.client.get("/v1/jobs", params={"status": "paused"}))

    assert error["parameter"] == "status"
    assert "queued" in error["detail"]
