"""Estimates and statistics over HTTP: what they take, what they refuse, what they show."""

from __future__ import annotations

from typing import Any

import pytest

from ltengine.errors import SpecificationError
from ltengine.statistics.question import parse_question
from service.domain import Progress
from tests.service.running_api import SPEC, RunningApi, accept_checkpoint, report_job, upload

QUESTION: dict[str, Any] = {"candidates": 12, "tolerance": 0.01, "trials": 1000}


@pytest.fixture
def checkpoint_id(api: RunningApi) -> str:
    return str(upload(api.client)["id"])


def accepted(api: RunningApi, document: dict[str, Any]) -> dict[str, Any]:
    answer = api.client.post("/v1/jobs", json=document)
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return dict(answer.json())


def refused(api: RunningApi, document: dict[str, Any]) -> dict[str, str]:
    """The details of a refusal, by JSON pointer."""
    answer = api.client.post("/v1/jobs", json=document)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "INVALID_REQUEST"
    assert api.client.get("/v1/jobs").json()["data"] == []
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_job_is_a_construction_unless_it_says_otherwise(
    api: RunningApi, checkpoint_id: str
) -> None:
    document = {"checkpoint_id": checkpoint_id, "spec": SPEC}

    for job in (accepted(api, document), accepted(api, {**document, "kind": "construct"})):
        assert (job["kind"], job["replicates"]) == ("construct", None)


def test_an_estimate_ends_with_its_report_as_metrics(api: RunningApi, checkpoint_id: str) -> None:
    accept_checkpoint(api.store)
    dataset = api.client.post("/v1/datasets", content=b"numbers").json()
    asked = {"kind": "estimate", "checkpoint_id": checkpoint_id, "spec": SPEC}
    accepted(api, {**asked, "dataset_id": dataset["id"], "replicates": 7})
    job = accepted(api, {**asked, "labels": {"network": "vgg"}})

    assert (job["kind"], job["replicates"]) == ("estimate", 3)
    assert report_job(api.store, {"replicates": 3}) == job["id"]

    done = api.client.get(job["links"]["self"]).json()
    assert done["status"] == "succeeded"
    assert done["metrics"] == {"replicates": 3}
    assert done["ticket_id"] is None
    assert [done["links"][name] for name in ("ticket", "mask", "metrics", "cancel")] == [None] * 4


def test_statistics_take_a_question_and_no_checkpoint(api: RunningApi) -> None:
    job = accepted(api, {"kind": "statistics", "spec": QUESTION, "labels": {"table": "1"}})

    assert job["kind"] == "statistics"
    assert job["spec"] == parse_question(QUESTION).model_dump(mode="json")
    assert (job["checkpoint_id"], job["dataset_id"], job["replicates"]) == (None, None, None)
    with api.store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        progress = Progress.at("statistics", 1, 2)
        tx.jobs.heartbeat(job["id"], claimed.lease_token, 60, progress)
    running = api.client.get(job["links"]["self"]).json()
    assert running["progress"] == {"stage": "statistics", "done": 1, "total": 2, "fraction": 0.5}
    assert api.client.post(job["links"]["cancel"]).json()["status"] == "canceling"


@pytest.mark.parametrize("kind", ["plan", "dance", "", None, 3, [], {"construct": 1}])
def test_an_unknown_kind_is_refused_with_the_known_ones(
    api: RunningApi, checkpoint_id: str, kind: Any
) -> None:
    errors = refused(api, {"kind": kind, "checkpoint_id": checkpoint_id, "spec": SPEC})

    assert list(errors) == ["/kind"]
    for known in ("construct", "estimate", "statistics", "/v1/plans"):
        assert known in errors["/kind"]


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        ("construct", "replicates", 3),
        ("construct", "question", {}),
        ("estimate", "trials", 3),
        ("statistics", "checkpoint_id", "ckp_x"),
        ("statistics", "dataset_id", None),
        ("statistics", "replicates", 2),
    ],
)
def test_a_field_of_another_kind_is_refused_by_name(
    api: RunningApi, checkpoint_id: str, kind: str, field: str, value: Any
) -> None:
    document: dict[str, Any] = {"kind": kind, "spec": QUESTION}
    if kind != "statistics":
        document = {"kind": kind, "spec": SPEC, "checkpoint_id": checkpoint_id}

    errors = refused(api, {**document, field: value})

    assert list(errors) == [f"/{field}"]
    assert f"kind {kind} has no such field" in errors[f"/{field}"]


@pytest.mark.parametrize("replicates", [0, -1, 101, 1.5, "many", None])
def test_replicates_are_bounded(api: RunningApi, checkpoint_id: str, replicates: Any) -> None:
    document = {"kind": "estimate", "checkpoint_id": checkpoint_id, "spec": SPEC}

    assert list(refused(api, {**document, "replicates": replicates})) == ["/replicates"]


@pytest.mark.parametrize(
    "change",
    [
        {"target": 7},
        {"target": "gaussian"},
        {"trials": 0},
        {"tolerance": 0},
        {"candidates": 500, "distribution": "cauchy"},
        {"construction": "2L"},
    ],
)
def test_a_wrong_question_is_refused_in_the_words_of_the_engine(
    api: RunningApi, change: dict[str, Any]
) -> None:
    with pytest.raises(SpecificationError) as refusal:
        parse_question({**QUESTION, **change})

    errors = refused(api, {"kind": "statistics", "spec": {**QUESTION, **change}})

    assert errors == {
        f"/spec{problem['pointer']}": problem["detail"] for problem in refusal.value.problems
    }


@pytest.mark.parametrize("kind", ["construct", "estimate", "statistics"])
@pytest.mark.parametrize("spec", [None, [], "2L", 3])
def test_a_spec_that_is_no_object_is_refused_for_every_kind(
    api: RunningApi, kind: str, spec: Any
) -> None:
    assert "/spec" in refused(api, {"kind": kind, "spec": spec})


def test_an_estimates_spec_is_checked_like_a_constructions(
    api: RunningApi, checkpoint_id: str
) -> None:
    spec = {**SPEC, "tolerance": {"parameter": 0}}

    errors = refused(api, {"kind": "estimate", "checkpoint_id": checkpoint_id, "spec": spec})

    assert list(errors) == ["/spec/tolerance/parameter"]


def test_jobs_are_listed_by_kind(api: RunningApi, checkpoint_id: str) -> None:
    asked = {"checkpoint_id": checkpoint_id, "spec": SPEC}
    constructions = [accepted(api, asked)["id"] for _ in range(2)]
    estimate = accepted(api, {**asked, "kind": "estimate"})["id"]

    def page(**parameters: str) -> dict[str, Any]:
        answer = api.client.get("/v1/jobs", params=parameters)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert [job["id"] for job in page(kind="estimate")["data"]] == [estimate]
    assert [job["id"] for job in page(kind="construct")["data"]] == constructions[::-1]
    assert page(kind="plan")["data"] == []
    cursor = page(kind="construct", limit="1")["next_cursor"]
    elsewhere = api.client.get("/v1/jobs", params={"kind": "estimate", "cursor": cursor})
    assert elsewhere.json()["code"] == "INVALID_CURSOR"
