"""Who may come in, and what is remembered of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service.store.tables import ApiKeyRow
from tests.service.running_api import SPEC, RunningApi, make_ticket, upload
from tests.waiting import wait_until

OPERATIONS = [
    ("POST", "/v1/checkpoints"),
    ("GET", "/v1/checkpoints"),
    ("GET", "/v1/checkpoints/{checkpoint}"),
    ("POST", "/v1/datasets"),
    ("GET", "/v1/datasets"),
    ("GET", "/v1/datasets/{dataset}"),
    ("POST", "/v1/plans"),
    ("POST", "/v1/jobs"),
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/{job}"),
    ("POST", "/v1/jobs/{job}/cancel"),
    ("GET", "/v1/tickets"),
    ("GET", "/v1/tickets/{ticket}"),
    ("GET", "/v1/tickets/{ticket}/mask"),
    ("GET", "/v1/tickets/{ticket}/metrics"),
]


def test_the_operations_listed_here_are_all_of_v1(api: RunningApi) -> None:
    paths = api.client.get("/openapi.json").json()["paths"]

    published = {
        (verb.upper(), path.replace("_id}", "}"))
        for path, operations in paths.items()
        for verb in operations
        if path.startswith("/v1/")
    }
    assert published == set(OPERATIONS)


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
    bare = httpx.Client(base_url=api.client.base_url, trust_env=False)
    with bare:
        for method, path in OPERATIONS:
            answer = bare.request(method, path, content=b"{}" if method == "POST" else None)
            if path in ("/v1/jobs", "/v1/plans") and method == "POST":
                answer = bare.request(method, path, json={"checkpoint_id": "x", "spec": SPEC})
            assert_refused(answer)


def test_a_wrong_key_is_no_key(api: RunningApi) -> None:
    with httpx.Client(base_url=api.client.base_url, trust_env=False) as bare:
        for wrong, value in wrong_credentials(api.key).items():
            answer = bare.get("/v1/jobs", headers={"Authorization": value.encode("latin-1")})
            assert answer.status_code == 401, wrong
            assert_refused(answer)


def assert_refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "NOT_AUTHENTICATED"


def test_a_revoked_key_is_no_key(api: RunningApi) -> None:
    part = api.key.split("_")[1]
    with api.store.engine.begin() as connection:
        table = ApiKeyRow.__table__
        change = table.update().where(table.c.id == f"key_{part}")  # type: ignore[attr-defined]
        connection.execute(change.values(revoked_at=table.c.created_at))

    assert_refused(api.client.get("/v1/jobs"))


def test_a_refused_upload_is_not_read(api: RunningApi) -> None:
    answer = api.client.post(
        "/v1/checkpoints", content=b"weights", headers={"Authorization": "Bearer ltf_no_no"}
    )

    assert_refused(answer)
    assert api.blob_files() == []


@pytest.fixture
def own_ids(api: RunningApi) -> dict[str, str]:
    """One id of ours of each kind."""
    ticket_id = make_ticket(api, [b"file"])
    dataset = api.client.post("/v1/datasets", content=b"numbers").json()
    ticket = api.client.get(f"/v1/tickets/{ticket_id}").json()
    return {
        "ticket": ticket_id,
        "job": ticket["job_id"],
        "checkpoint": ticket["checkpoint_id"],
        "dataset": dataset["id"],
    }


def test_another_tenants_ids_do_not_exist(api: RunningApi, own_ids: dict[str, str]) -> None:
    for method, path in OPERATIONS:
        if "{" in path:
            place = path.format(**own_ids)
            foreign = api.stranger.request(method, place)
            assert foreign.status_code == 404, place
            assert api.client.request(method, place).status_code == 200, place
            identifier = next(part for part in place.split("/") if "_" in part)
            absent = identifier[:-1] + ("0" if identifier[-1] != "0" else "1")
            nowhere = api.stranger.request(method, place.replace(identifier, absent))
            assert without(nowhere.json(), absent) == without(foreign.json(), identifier)


def without(document: dict[str, Any], identifier: str) -> dict[str, Any]:
    del document["request_id"]
    return {
        name: value.replace(identifier, "ID") if isinstance(value, str) else value
        for name, value in document.items()
    }


def test_another_tenants_files_cannot_be_used(api: RunningApi, own_ids: dict[str, str]) -> None:
    theirs = upload(api.stranger)
    attempts = [
        {"checkpoint_id": own_ids["checkpoint"], "spec": SPEC},
        {"checkpoint_id": theirs["id"], "dataset_id": own_ids["dataset"], "spec": SPEC},
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


def test_lists_hold_only_what_is_ones_own(api: RunningApi, own_ids: dict[str, str]) -> None:
    for collection, kind in [
        ("checkpoints", "checkpoint"),
        ("datasets", "dataset"),
        ("jobs", "job"),
        ("tickets", "ticket"),
    ]:
        assert api.stranger.get(f"/v1/{collection}").json()["data"] == []
        ours = api.client.get(f"/v1/{collection}").json()["data"]
        assert [item["id"] for item in ours] == [own_ids[kind]]


def test_an_id_that_cannot_be_one_does_not_exist(api: RunningApi) -> None:
    for text in ("job_", "x" * 5000, "%00", "job_%00" + "0" * 25, "☃", "%ff%fe", "..%2f..%2fetc"):
        answer = api.client.get(f"/v1/jobs/{text}")
        assert answer.status_code == 404, text
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_every_request_leaves_one_line_without_secrets(api: RunningApi) -> None:
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
