"""Idempotency-Key: requests sent twice are done once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from service.store.tables import IdempotencyRow
from tests.service.running_api import SPEC, RunningApi, upload

KEY = "7c4a8d09-ca37-4d28-8c0a-2f7d5f9b1e11"


def post(api: RunningApi, document: Any, key: str = KEY, path: str = "/v1/jobs") -> httpx.Response:
    return api.client.post(path, json=document, headers={"Idempotency-Key": key})


@pytest.fixture
def document(api: RunningApi) -> dict[str, Any]:
    return {"checkpoint_id": upload(api.client)["id"], "spec": SPEC}


def count_jobs(api: RunningApi) -> int:
    return len(api.client.get("/v1/jobs").json()["data"])


def test_the_same_request_again_is_answered_alike(
    api: RunningApi, document: dict[str, Any]
) -> None:
    first = post(api, document)
    again = [post(api, document), post(api, document, f'"{KEY}"')]

    assert first.status_code == 202
    assert "Idempotency-Replayed" not in first.headers
    for answer in again:
        assert answer.status_code == 200
        assert answer.headers["Idempotency-Replayed"] == "true"
        assert answer.headers["Location"] == first.headers["Location"]
        assert answer.content == first.content
    assert count_jobs(api) == 1


def test_a_key_belongs_to_one_request(api: RunningApi, document: dict[str, Any]) -> None:
    post(api, document)

    others = [
        post(api, {**document, "priority": 1}),
        post(
            api,
            {"checkpoint_id": document["checkpoint_id"], "spec": SPEC, "sweep": {}},
            path="/v1/batches",
        ),
    ]

    for answer in others:
        assert (answer.status_code, answer.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert count_jobs(api) == 1


def test_a3_a_key_belongs_to_one_tenant(api: RunningApi, document: dict[str, Any]) -> None:
    post(api, document)
    theirs = {"checkpoint_id": upload(api.stranger)["id"], "spec": SPEC}

    answer = api.stranger.post("/v1/jobs", json=theirs, headers={"Idempotency-Key": KEY})

    assert answer.status_code == 202
    assert "Idempotency-Replayed" not in answer.headers
    assert answer.json()["checkpoint_id"] == theirs["checkpoint_id"]


def test_a_refused_request_leaves_its_key_free(api: RunningApi, document: dict[str, Any]) -> None:
    wrong = post(api, {**document, "priority": 99})
    absent = post(api, {**document, "checkpoint_id": "ckp_" + "0" * 26})

    right = post(api, document)

    assert (wrong.status_code, absent.status_code, right.status_code) == (422, 404, 202)


def test_a_request_under_way_is_not_begun_again(api: RunningApi, document: dict[str, Any]) -> None:
    post(api, document)
    with api.store.engine.begin() as connection:
        connection.execute(update(IdempotencyRow).values(body=None))

    answer = post(api, document)

    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_KEY_IN_USE")
    assert int(answer.headers["Retry-After"]) >= 1


def test_a_key_is_forgotten_in_time(api: RunningApi, document: dict[str, Any]) -> None:
    post(api, document)
    with api.store.engine.begin() as connection:
        (row,) = connection.execute(select(IdempotencyRow.expires_at)).all()
        past = row.expires_at - timedelta(seconds=api.settings.idempotency_seconds + 1)
        connection.execute(update(IdempotencyRow).values(expires_at=past))

    assert post(api, {**document, "priority": 1}).status_code == 202

    with api.store.engine.begin() as connection:
        connection.execute(update(IdempotencyRow).values(expires_at=past))
    with api.store.begin() as tx:
        assert tx.idempotency.forget_expired() == 1


def test_requests_at_the_same_time_make_one_job(api: RunningApi, document: dict[str, Any]) -> None:
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(api, document))) for _ in range(8)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses.count(202) == 1
    assert set(statuses) <= {200, 202, 409}
    assert count_jobs(api) == 1


@pytest.mark.parametrize("key", ["", '""', "a b", "x" * 256])
def test_a_wrong_key_is_refused(api: RunningApi, document: dict[str, Any], key: str) -> None:
    answer = post(api, document, key)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "idempotency-key"
