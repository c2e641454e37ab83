"""Who may come in, and what is remembered of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from service.store.tables import ApiKeyRow
from tests.service.operations import operations_under_v1, own_ids
from tests.service.running_api import SPEC, RunningApi, upload
from tests.waiting import wait_until


def wrong_credentials(key: str) -> dict[str, str]:
    """Headers that must all fail, by what is wrong with them."""
    prefix, part, secret = key.split("_")
    flipped = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    return {
        "another scheme": f"Basic {key}",
        "no scheme": key,
        "empty": "Bearer",
        "no secret": f"Bearer {prefix}_{part}_",
        "wrong secret": f"Bearer {prefix}_{part}_{flipped}",
        "longer secret": f"Bearer {key}0",
        "unknown key": f"Bearer {prefix}_{part[::-1]}_{secret}",
        "wrong prefix": f"Bearer xyz_{part}_{secret}",
        "very long": f"Bearer ltf_{'a' * 30000}_b",
        "not ASCII": "Bearer ltf_\u00e9_\u00e9",
        "a digest": f"Bearer {prefix}_{part}_{'0' * 64}",
    }


def test_no_route_answers_without_a_valid_key(api: RunningApi) -> None:
    some_id = "job_" + "0" * 26
    with httpx.Client(base_url=api.client.base_url, trust_env=False) as bare:
        for operation in operations_under_v1(api):
            ids = dict.fromkeys(operation.parameters, some_id)
            assert_refused(operation.call(bare, ids))


def test_a2_a_wrong_key_is_no_key(api: RunningApi) -> None:
    with httpx.Client(base_url=api.client.base_url, trust_env=False) as bare:
        for wrong, value in wrong_credentials(api.key).items():
            answer = bare.get("/v1/jobs", headers={b"Authorization": value.encode("latin-1")})
            assert answer.status_code == 401, wrong
            assert_refused(answer)


def assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if answer.request.method != "HEAD":
        assert answer.json()["code"] == "NOT_AUTHENTICATED"


def test_a_revoked_key_is_no_key(api: RunningApi) -> None:
    part = api.key.split("_")[1]
    with api.store.engine.begin() as connection:
        change = update(ApiKeyRow).where(ApiKeyRow.id == f"key_{part}")
        connection.execute(change.values(revoked_at=ApiKeyRow.created_at))

    assert_refused(api.client.get("/v1/jobs"))


def test_a_refused_upload_is_not_read(api: RunningApi) -> None:
    answer = api.client.post(
        "/v1/checkpoints", content=b"weights", headers={"Authorization": "Bearer ltf_no_no"}
    )

    assert_refused(answer)
    assert api.blob_files() == []


@pytest.fixture
def ids(api: RunningApi) -> dict[str, str]:
    """One id of ours for each path parameter."""
    return own_ids(api)


def test_a1_another_tenants_ids_do_not_exist_on_any_path(
    api: RunningApi, ids: dict[str, str]
) -> None:
    addressed = [operation for operation in operations_under_v1(api) if operation.parameters]
    assert {name for operation in addressed for name in operation.parameters} <= ids.keys()
    for operation in addressed:
        foreign = operation.call(api.stranger, ids)
        assert foreign.status_code == 404, (operation, foreign.text)
        if operation.method != "HEAD":
            absent_ids = {name: absent(identifier) for name, identifier in ids.items()}
            nowhere = operation.call(api.stranger, absent_ids)
            assert without(nowhere.json(), absent_ids) == without(foreign.json(), ids), operation
    for operation in addressed:
        if operation.method == "GET":
            assert operation.call(api.client, ids).is_success, operation


def absent(identifier: str) -> str:
    return identifier[:-1] + ("0" if identifier[-1] != "0" else "1")


def without(document: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    del document["request_id"]
    text = json.dumps(document)
    for identifier in ids.values():
        text = text.replace(identifier, "ID")
    return dict(json.loads(text))


def test_another_tenants_files_cannot_be_used(api: RunningApi, ids: dict[str, str]) -> None:
    theirs = upload(api.stranger)
    attempts = [
        {"checkpoint_id": ids["checkpoint_id"], "spec": SPEC},
        {"checkpoint_id": theirs["id"], "dataset_id": ids["dataset_id"], "spec": SPEC},
    ]

    for attempt in attempts:
        estimate = {**attempt, "kind": "estimate"}
        plan = {"checkpoint_id": attempt["checkpoint_id"], "spec": SPEC}
        answers = [api.stranger.post("/v1/jobs", json=body) for body in (attempt, estimate)]
        if attempt["checkpoint_id"] != theirs["id"]:
            answers.append(api.stranger.post("/v1/plans", json=plan))
        for answer in answers:
            assert answer.status_code == 404
            assert answer.json()["code"] == "NOT_FOUND"


def test_a1_lists_hold_only_what_is_ones_own(api: RunningApi, ids: dict[str, str]) -> None:
    for collection, kind in [
        ("checkpoints", "checkpoint"),
        ("datasets", "dataset"),
        ("jobs", "job"),
        ("batches", "batch"),
        ("tickets", "ticket"),
    ]:
        assert api.stranger.get(f"/v1/{collection}").json()["data"] == []
        ours = api.client.get(f"/v1/{collection}").json()["data"]
        assert ids[f"{kind}_id"] in [item["id"] for item in ours]


def test_an_id_that_cannot_be_one_does_not_exist(api: RunningApi) -> None:
    for text in ("job_", "x" * 5000, "%00", "job_%00" + "0" * 25, "☃", "%ff%fe", "..%2f..%2fetc"):
        answer = api.client.get(f"/v1/jobs/{text}")
        assert answer.status_code == 404, text
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_a2_every_request_leaves_one_line_without_secrets(api: RunningApi) -> None:
    query = {"name": "a private name"}
    headers = {"X-Request-ID": "trace-1"}

    api.client.post("/v1/checkpoints", params=query, content=b"weights", headers=headers)

    def lines() -> list[Any]:
        return [entry for entry in api.logs if entry["event"] == "request"]

    wait_until(lambda: len(lines()) == 1)
    (line,) = lines()
    assert line["request_id"] == "trace-1"
    assert line["method"] == "POST"
    assert line["path"] == "/v1/checkpoints"
    assert line["status"] == 202
    assert line["tenant_id"] == api.tenant_id
    assert line["seconds"] >= 0
    written = json.dumps(api.logs)
    assert api.key.split("_")[2] not in written
    assert "private" not in written
