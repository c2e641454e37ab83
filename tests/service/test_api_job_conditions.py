"""Priorities, labels, timeouts, ETags, filters, retries and deletions of jobs over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from service.domain import Problem
from tests.service.running_api import SPEC, RunningApi, accept_checkpoint, submit, upload


@pytest.fixture
def checkpoint(api: RunningApi) -> dict[str, Any]:
    made = upload(api.client)
    accept_checkpoint(api.store)
    return made


def fail(api: RunningApi, job: dict[str, Any]) -> None:
    with api.store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        assert claimed.job.id == job["id"]
        tx.jobs.fail(job["id"], claimed.lease_token, Problem("BROKEN", "it broke"))


def test_a_job_keeps_its_conditions(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    conditions = {"priority": -3, "timeout_s": 1.5, "queue_timeout_s": 60, "max_attempts": 1}

    job = submit(api.client, checkpoint["id"], **conditions)

    assert {name: job[name] for name in conditions} == conditions
    plain = submit(api.client, checkpoint["id"])
    assert (plain["priority"], plain["timeout_s"], plain["queue_timeout_s"]) == (0, None, None)
    assert plain["max_attempts"] == api.settings.max_attempts


WRONG_CONDITIONS = [
    ("/priority", {"priority": 11}),
    ("/priority", {"priority": -11}),
    ("/priority", {"priority": 1.5}),
    ("/timeout_s", {"timeout_s": 0}),
    ("/timeout_s", {"timeout_s": -1}),
    ("/queue_timeout_s", {"queue_timeout_s": 1e9}),
    ("/max_attempts", {"max_attempts": 0}),
    ("/max_attempts", {"max_attempts": 11}),
    ("/spec/replicates", {"spec": SPEC | {"replicates": 0}}),
    ("/spec/replicates", {"spec": SPEC | {"replicates": 101}}),
    ("/spec/replicates", {"kind": "estimate", "spec": SPEC | {"replicates": 2}}),
]


@pytest.mark.parametrize(("pointer", "fields"), WRONG_CONDITIONS)
def test_a_wrong_condition_is_refused_by_name(
    shared_api: RunningApi, pointer: str, fields: dict[str, Any]
) -> None:
    document = {"checkpoint_id": "ckp_" + "0" * 26, "spec": SPEC, **fields}

    answer = shared_api.client.post("/v1/jobs", json=document)

    assert answer.status_code == 422, answer.text
    assert [item["pointer"] for item in answer.json()["errors"]] == [pointer]


def test_a_job_of_several_replicates_shows_them(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    spec = SPEC | {"replicates": 3, "source": {"seed": 2**64 - 1}}

    job = submit(api.client, checkpoint["id"], spec=spec)

    page = api.client.get("/v1/jobs", params={"parent_id": job["id"]}).json()["data"]
    assert job["replicates"] == 3
    assert job["progress"] == {"stage": "replicates", "done": 0, "total": 3, "fraction": 0.0}
    assert {part["parent_id"] for part in page} == {job["id"]}
    assert [part["spec"]["source"]["seed"] for part in page] == [1, 0, 2**64 - 1]


def test_an_unchanged_job_is_not_sent_again(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    job = submit(api.client, checkpoint["id"])
    path = job["links"]["self"]
    tag = api.client.get(path).headers["ETag"]

    for known in (tag, f'"other", W/{tag}', "*"):
        same = api.client.get(path, headers={"If-None-Match": known})
        assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", tag)
    api.client.post(job["links"]["cancel"])
    changed = api.client.get(path, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != tag


def test_labels_and_priority_can_be_changed(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    job = submit(api.client, checkpoint["id"], labels={"a": "1"})
    path = job["links"]["self"]
    tag = api.client.get(path).headers["ETag"]

    first = api.client.patch(path, json={"labels": {"b": "2"}}, headers={"If-Match": tag})
    second = api.client.patch(path, json={"priority": 4}, headers={"If-Match": tag})
    third = api.client.patch(path, json={"priority": 4})

    assert (first.status_code, first.json()["labels"]) == (200, {"b": "2"})
    assert first.headers["ETag"] != tag
    assert (second.status_code, second.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert (third.status_code, third.json()["priority"]) == (200, 4)
    assert third.json() == api.client.get(path).json()
    assert third.headers["ETag"] == api.client.get(path).headers["ETag"]


def test_a_weak_tag_is_no_condition_for_a_change(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    path = submit(api.client, checkpoint["id"])["links"]["self"]
    tag = api.client.get(path).headers["ETag"]

    answer = api.client.patch(path, json={"priority": 1}, headers={"If-Match": f"W/{tag}"})

    assert answer.status_code == 412


@pytest.mark.parametrize(
    "changes",
    [{}, {"labels": None}, {"labels": {"!": "x"}}, {"priority": 11}, {"status": "failed"}, []],
)
def test_a_wrong_change_is_refused(shared_api: RunningApi, changes: object) -> None:
    answer = shared_api.client.patch(f"/v1/jobs/job_{'0' * 26}", json=changes)

    assert answer.status_code == 422, answer.text


def test_a_running_jobs_priority_stays(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    job = submit(api.client, checkpoint["id"])
    with api.store.begin() as tx:
        tx.jobs.claim("worker", 60)

    answer = api.client.patch(job["links"]["self"], json={"priority": 1, "labels": {"a": "b"}})

    assert (answer.status_code, answer.json()["code"]) == (409, "JOB_NOT_QUEUED")
    assert api.client.get(job["links"]["self"]).json()["labels"] == {}


def test_a_failed_job_is_retried_as_a_new_one(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    job = submit(api.client, checkpoint["id"], labels={"a": "1"})
    early = api.client.post(f"{job['links']['self']}/retry")
    fail(api, job)
    retry = api.client.get(job["links"]["self"]).json()["links"]["retry"]

    answer = api.client.post(retry)

    assert (early.status_code, early.json()["code"]) == (409, "JOB_NOT_TERMINAL")
    assert job["links"]["retry"] is None
    assert answer.status_code == 202
    again = answer.json()
    assert answer.headers["Location"] == again["links"]["self"] != job["links"]["self"]
    assert (again["retry_of"], again["status"]) == (job["id"], "queued")
    assert (again["spec"], again["labels"]) == (job["spec"], job["labels"])


def test_a_terminal_job_can_be_deleted(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    job = submit(api.client, checkpoint["id"])
    path = job["links"]["self"]
    early = api.client.delete(path)
    api.client.post(job["links"]["cancel"])

    deleted = api.client.delete(path)

    assert (early.status_code, early.json()["code"]) == (409, "JOB_NOT_TERMINAL")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert api.client.get(path).status_code == 404
    assert api.client.delete(path).status_code == 404


def test_a_cancellation_can_say_why(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    jobs = [submit(api.client, checkpoint["id"]) for _ in range(3)]
    bodies: list[dict[str, Any]] = [
        {"json": {"reason": "naïve ✓"}},
        {"json": {}},
        {"content": b"", "headers": {"Content-Type": "application/json"}},
    ]

    answers = [
        api.client.post(job["links"]["cancel"], **body)
        for job, body in zip(jobs, bodies, strict=True)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer.json()["cancel_reason"] for answer in answers] == ["naïve ✓", None, None]


@pytest.mark.parametrize(
    "body", [{"reason": "x" * 501}, {"reason": "a\x00b"}, {"why": "x"}, "because"]
)
def test_a_wrong_reason_is_refused(shared_api: RunningApi, body: object) -> None:
    answer = shared_api.client.post(f"/v1/jobs/job_{'0' * 26}/cancel", json=body)

    assert answer.status_code == 422, answer.text


def test_lists_are_filtered_and_their_cursors_bound_to_the_filters(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    for number in range(3):
        submit(api.client, checkpoint["id"], labels={"run": str(number % 2), "k/1": "a=b"})

    def page(**parameters: Any) -> Any:
        return api.client.get("/v1/jobs", params=parameters)

    evens = page(label=["run=0", "k/1=a=b"], limit=1).json()
    assert len(evens["data"]) == 1
    cursor = evens["next_cursor"]
    rest = page(label=["k/1=a=b", "run=0"], limit=1, cursor=cursor).json()
    assert len(rest["data"]) == 1
    assert rest["next_cursor"] is None
    assert page(label=["run=1"], limit=1, cursor=cursor).json()["code"] == "INVALID_CURSOR"
    assert page(limit=1, cursor=cursor).status_code == 400
    moment = evens["data"][0]["created_at"]
    assert len(page(created_after=moment).json()["data"]) == 1
    assert len(page(created_before=moment).json()["data"]) == 2
    assert len(page(checkpoint_id=checkpoint["id"]).json()["data"]) == 3


def test_a3_a_filter_is_compared_and_never_a_pattern(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    hostile = {"a": "' OR 1=1 --", "a.b": "(x+x+)+y", "0": "$.a", "c": "%"}
    job = submit(api.client, checkpoint["id"], labels=hostile)
    submit(api.client, checkpoint["id"], labels={"a": "x" * 256, "a.c": "xxxx", "c": "x"})

    def found(label: str) -> list[str]:
        answer = api.client.get("/v1/jobs", params={"label": label})
        assert answer.status_code == 200, answer.text
        return [item["id"] for item in answer.json()["data"]]

    for name, value in hostile.items():
        assert found(f"{name}={value}") == [job["id"]]
    for label in ("a=.*", "a=%", "a=_", "a='||'", "a.b=(x+x+)+", "a.b=x", "c=*", "0=$.a.b"):
        assert found(label) == [], label
    for label in ("a*=x", '$."a"=x', "a[0]=x", "a'=x", "%=x", ".*=x"):
        answer = api.client.get("/v1/jobs", params={"label": label})
        assert answer.status_code == 422, label


@pytest.mark.parametrize(
    "query",
    [
        "label=x",
        "label==x",
        "label=a%00=x",
        "label=a=%00",
        "&".join(f"label=l{n}=1" for n in range(17)),
        "created_after=yesterday",
        "created_after=2026-01-01T00:00:00",
        "created_before=0001-01-01T00:00:00%2B23:59",
        "checkpoint_id=%00",
        "batch_id=" + "x" * 1000,
        "parent_id=job_1",
    ],
)
def test_a_wrong_filter_is_refused(shared_api: RunningApi, query: str) -> None:
    answer = shared_api.client.get(f"/v1/jobs?{query}")

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["parameter"] == query.partition("=")[0]
