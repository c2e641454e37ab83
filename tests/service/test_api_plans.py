"""Plans over HTTP: the answer if it comes in time, else the job that makes it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from ltengine.specification import parse_specification
from service.api.preferences import DEFAULT_WAIT_SECONDS, LONGEST_WAIT_SECONDS, read_patience
from service.domain import ClaimedJob, JobKind, Problem
from tests.service.running_api import SPEC, RunningApi, accept_checkpoint, upload
from tests.waiting import wait_until

PLAN = {"source": {"widths": [4, 60, 3], "parameters": 300}}


@pytest.fixture
def checkpoint_id(api: RunningApi) -> str:
    identifier = upload(api.client)["id"]
    accept_checkpoint(api.store)
    return str(identifier)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as opened:
        yield opened


def ask(api: RunningApi, checkpoint_id: str, prefer: str | None = None) -> httpx.Response:
    headers = {} if prefer is None else {"Prefer": prefer}
    document = {"checkpoint_id": checkpoint_id, "spec": SPEC}
    return api.client.post("/v1/plans", json=document, headers=headers)


def claim(api: RunningApi) -> ClaimedJob:
    """Do what a worker does as soon as there is work."""
    found: list[ClaimedJob] = []

    def try_once() -> bool:
        with api.store.begin() as tx:
            claimed = tx.jobs.claim("worker", 60)
        found.extend([claimed] if claimed else [])
        return bool(found)

    wait_until(try_once, what="a job to claim")
    return found[0]


def succeed(api: RunningApi, claimed: ClaimedJob) -> None:
    with api.store.begin() as tx:
        assert tx.jobs.succeed(claimed.job.id, claimed.lease_token, None, PLAN)


def test_a_plan_made_in_time_is_the_answer(
    api: RunningApi, checkpoint_id: str, pool: ThreadPoolExecutor
) -> None:
    asked = pool.submit(ask, api, checkpoint_id, "wait=30")

    claimed = claim(api)
    succeed(api, claimed)

    answer = asked.result(timeout=30)
    assert (answer.status_code, answer.json()) == (200, PLAN)
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert claimed.job.kind is JobKind.PLAN
    assert claimed.job.spec == parse_specification(SPEC).model_dump(mode="json")
    job = api.client.get(answer.headers["Location"]).json()
    assert (job["id"], job["kind"], job["metrics"]) == (claimed.job.id, "plan", PLAN)
    assert job["ticket_id"] is None


@pytest.mark.parametrize("prefer", ["wait=0", "respond-async", "respond-async, wait=0"])
def test_a_plan_that_takes_longer_is_a_job(
    api: RunningApi, checkpoint_id: str, prefer: str
) -> None:
    answer = ask(api, checkpoint_id, prefer)

    assert answer.status_code == 202
    job = answer.json()
    assert (job["kind"], job["status"], job["metrics"]) == ("plan", "queued", None)
    assert answer.headers["Location"] == job["links"]["self"]
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["Preference-Applied"] in prefer
    succeed(api, claim(api))
    assert api.client.get(answer.headers["Location"]).json()["metrics"] == PLAN


def test_the_wait_is_kept_to(api: RunningApi, checkpoint_id: str) -> None:
    began = time.monotonic()

    answer = ask(api, checkpoint_id, "wait=1")

    assert answer.status_code == 202
    assert 1 <= time.monotonic() - began < 5


def test_many_who_wait_leave_room_for_others(
    api: RunningApi, checkpoint_id: str, pool: ThreadPoolExecutor
) -> None:
    """More waiters than the server has threads, and other requests are answered at once."""
    waiting: list[Future[httpx.Response]] = []
    with ThreadPoolExecutor(60) as crowd:
        waiting += [crowd.submit(ask, api, checkpoint_id, "wait=8") for _ in range(60)]
        claimed = [claim(api) for _ in waiting]
        began = time.monotonic()
        assert api.client.get("/v1/tickets").status_code == 200
        took = time.monotonic() - began
        for one in claimed:
            succeed(api, one)

    assert took < 4
    assert {answer.result().status_code for answer in waiting} <= {200, 202}


REFUSALS = [
    (Problem("INVALID_NETWORK", "layer 2 takes 7 inputs, layer 1 gives 9"), 422),
    (Problem("INVALID_SPECIFICATION", "/activation: give one"), 422),
    (Problem("RUNNER_DIED", "the process died: it was killed"), 500),
    (Problem("INTERNAL_ERROR", "KeyError: 3"), 500),
]


@pytest.mark.parametrize(("problem", "status"), REFUSALS, ids=[case[0].code for case in REFUSALS])
def test_a_plan_that_cannot_be_made_says_why(
    api: RunningApi,
    checkpoint_id: str,
    pool: ThreadPoolExecutor,
    problem: Problem,
    status: int,
) -> None:
    asked = pool.submit(ask, api, checkpoint_id)

    claimed = claim(api)
    with api.store.begin() as tx:
        tx.jobs.fail(claimed.job.id, claimed.lease_token, problem)

    answer = asked.result(timeout=30)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == problem.code
    assert (problem.detail == answer.json()["detail"]) is (status == 422)


def test_a_plan_canceled_meanwhile_is_refused(
    api: RunningApi, checkpoint_id: str, pool: ThreadPoolExecutor
) -> None:
    asked = pool.submit(ask, api, checkpoint_id)
    listed: list[Any] = []

    def seen() -> bool:
        listed[:] = api.client.get("/v1/jobs", params={"kind": "plan"}).json()["data"]
        return bool(listed)

    wait_until(seen)
    api.client.post(listed[0]["links"]["cancel"])

    answer = asked.result(timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (422, "JOB_CANCELED")


def test_a_wrong_request_is_refused_by_field(api: RunningApi, checkpoint_id: str) -> None:
    document = {
        "checkpoint_id": checkpoint_id,
        "spec": {**SPEC, "construction": "3L"},
        "dataset_id": "dst_x",
        "kind": "statistics",
    }

    answer = api.client.post("/v1/plans", json=document)

    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {
        "/spec/construction",
        "/dataset_id",
        "/kind",
    }
    assert api.client.get("/v1/jobs").json()["data"] == []


def test_a_plan_of_a_rejected_checkpoint_is_refused_at_once(api: RunningApi) -> None:
    checkpoint = upload(api.client)
    with api.store.begin() as tx:
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.reject(task.id, task.lease_token, Problem("NOT_FINITE", "it holds NaN"))

    answer = ask(api, checkpoint["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "CHECKPOINT_REJECTED")


@pytest.mark.parametrize("identifier", ["", "ckp", "ckp_" + "0" * 26, "☃"])
def test_an_absent_checkpoint_is_not_found(api: RunningApi, identifier: str) -> None:
    assert ask(api, identifier).status_code == 404


@pytest.mark.parametrize(
    ("prefer", "seconds", "applied"),
    [
        (None, DEFAULT_WAIT_SECONDS, None),
        ("", DEFAULT_WAIT_SECONDS, None),
        ("return=minimal", DEFAULT_WAIT_SECONDS, None),
        ("wait", DEFAULT_WAIT_SECONDS, None),
        ("wait=soon", DEFAULT_WAIT_SECONDS, None),
        ("wait=-1", DEFAULT_WAIT_SECONDS, None),
        ("wait=5", 5, "wait=5"),
        ("Wait = 5", 5, "wait=5"),
        ('wait="7"; foo=bar', 7, "wait=7"),
        ("wait=99999999", LONGEST_WAIT_SECONDS, f"wait={LONGEST_WAIT_SECONDS}"),
        ("wait=" + "9" * 50, DEFAULT_WAIT_SECONDS, None),
        ("respond-async", 0, "respond-async"),
        ("respond-async, wait=4", 4, "wait=4"),
        ("wait=4, wait=9", 4, "wait=4"),
    ],
)
def test_preferences_are_read_as_the_rfc_has_them(
    prefer: str | None, seconds: int, applied: str | None
) -> None:
    patience = read_patience(prefer)

    assert (patience.seconds, patience.applied) == (seconds, applied)
