"""Uploads over HTTP: stored, counted, hashed, and known again."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.domain import Problem
from tests.service.running_api import RunningApi, accept_checkpoint, upload

CONTENT = bytes(range(256)) * 8192  # 2 MiB: several batches


@pytest.mark.parametrize("collection", ["checkpoints", "datasets"])
def test_an_upload_is_stored_under_its_digest_and_waits_for_validation(
    api: RunningApi, collection: str
) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()

    answer = api.client.post(f"/v1/{collection}", params={"name": "a file"}, content=CONTENT)

    assert answer.status_code == 202
    resource = answer.json()
    assert resource["status"] == "validating"
    assert resource["sha256"] == digest
    assert resource["bytes"] == len(CONTENT)
    assert resource["name"] == "a file"
    assert resource["summary"] is None
    assert resource["rejection"] is None
    assert resource["created_at"].endswith("Z")
    assert answer.headers["Location"] == f"/v1/{collection}/{resource['id']}"
    assert int(answer.headers["Retry-After"]) >= 1
    assert [path.read_bytes() for path in api.blob_files()] == [CONTENT]
    assert api.client.get(answer.headers["Location"]).json() == resource


def test_a_chunked_upload_needs_no_length(api: RunningApi) -> None:
    pieces = [CONTENT[start : start + 50_000] for start in range(0, len(CONTENT), 50_000)]

    answer = api.client.post("/v1/checkpoints", content=iter(pieces))

    assert answer.status_code == 202
    assert answer.json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_the_same_bytes_again_are_the_same_checkpoint(api: RunningApi) -> None:
    first = upload(api.client, CONTENT, "first")

    again = api.client.post("/v1/checkpoints", params={"name": "second"}, content=CONTENT)

    assert again.status_code == 200
    assert again.json() == first
    assert again.headers["Location"] == f"/v1/checkpoints/{first['id']}"
    assert len(api.blob_files()) == 1


def test_the_same_bytes_of_another_tenant_are_another_checkpoint(api: RunningApi) -> None:
    ours = upload(api.client, CONTENT)

    theirs = api.stranger.post("/v1/checkpoints", content=CONTENT)

    assert theirs.status_code == 202
    assert theirs.json()["id"] != ours["id"]


def test_simultaneous_uploads_of_one_file_end_in_one_checkpoint(api: RunningApi) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: upload(api.client, CONTENT)["id"], range(6)))

    assert len(set(found)) == 1
    assert len(api.client.get("/v1/checkpoints").json()["data"]) == 1
    assert len(api.blob_files()) == 1


def test_a_ready_checkpoint_shows_what_was_found_in_it(api: RunningApi) -> None:
    checkpoint = upload(api.client)

    accept_checkpoint(api.store)

    shown = api.client.get(checkpoint["links"]["self"]).json()
    assert shown["status"] == "ready"
    assert shown["summary"] == {"layers": []}


def test_a_rejected_checkpoint_says_why_and_may_be_uploaded_again(api: RunningApi) -> None:
    checkpoint = upload(api.client)
    problem = Problem("NOT_FINITE", "tensor fc1.weight holds NaN at [0, 3]")
    with api.store.begin() as tx:
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.reject(task.id, task.lease_token, problem)

    shown = api.client.get(checkpoint["links"]["self"]).json()

    assert shown["status"] == "rejected"
    assert shown["rejection"] == {"code": problem.code, "detail": problem.detail}
    assert upload(api.client)["id"] != checkpoint["id"]


def test_an_upload_without_a_name_has_one(api: RunningApi) -> None:
    answer = api.client.post("/v1/checkpoints", content=b"weights")

    assert answer.json()["name"] == "checkpoint"
