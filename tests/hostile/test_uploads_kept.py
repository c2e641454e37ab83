"""Uploads that look hostile and are harmless: taken as they are, and nothing more."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.hostile.raw_http import connect
from tests.service.running_api import LIMIT, RunningApi


def test_one_byte_over_the_limit_is_too_much_and_the_limit_itself_is_not(api: RunningApi) -> None:
    over = api.client.post("/v1/checkpoints", content=bytes(LIMIT + 1))
    over_in_chunks = api.client.post("/v1/checkpoints", content=iter([bytes(LIMIT), b"1"]))
    assert (over.status_code, over_in_chunks.status_code) == (413, 413)
    assert api.blob_files() == []

    assert api.client.post("/v1/checkpoints", content=bytes(LIMIT)).status_code == 202
    assert api.client.post("/v1/checkpoints", content=iter([bytes(LIMIT)])).status_code == 200


def test_a_length_that_promises_too_little_counts(api: RunningApi) -> None:
    with connect(api) as connection:
        connection.send_head("Content-Length: 7")
        connection.send(b"weights")
        status, resource = connection.receive()

        connection.send(b"more weights, which are no request")

        assert connection.closed()
        assert status == 202
        assert resource["bytes"] == 7
        assert resource["sha256"] == hashlib.sha256(b"weights").hexdigest()


def test_bytes_that_are_those_announced_are_taken(api: RunningApi) -> None:
    for algorithm in ("sha256", "sha512"):
        value = base64.b64encode(hashlib.new(algorithm, b"weights").digest()).decode()
        headers = {"Content-Digest": f"sha-{algorithm[3:]}=:{value}:"}

        answer = api.client.post("/v1/checkpoints", content=b"weights", headers=headers)

        assert answer.is_success
    assert len(api.blob_files()) == 1


def test_u5_a_digest_says_nothing_about_other_tenants(api: RunningApi) -> None:
    ours = api.client.post("/v1/checkpoints", content=b"shared weights")
    theirs = api.stranger.post("/v1/checkpoints", content=b"shared weights")

    assert (ours.status_code, theirs.status_code) == (202, 202)
    assert ours.json().keys() == theirs.json().keys()
    assert ours.json()["id"] != theirs.json()["id"]
    assert api.stranger.get(ours.headers["Location"]).status_code == 404


def test_identity_is_no_encoding(api: RunningApi) -> None:
    headers = {"Content-Encoding": "Identity", "Content-Type": "application/x-www-form-urlencoded"}

    answer = api.client.post("/v1/checkpoints", content=b"weights", headers=headers)

    assert answer.status_code == 202
    assert answer.json()["sha256"] == hashlib.sha256(b"weights").hexdigest()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "C:\\x", "☃ é \u202e", "x" * 255, "'; DROP", "%00"]
)
def test_u1_a_name_is_never_a_path(api: RunningApi, name: str) -> None:
    answer = api.client.post("/v1/checkpoints", params={"name": name}, content=b"weights")

    assert answer.status_code == 202
    assert answer.json()["name"] == name
    digest = hashlib.sha256(b"weights").hexdigest()
    assert [path.name for path in api.blob_files()] == [digest]
    shown = api.client.get(answer.headers["Location"])
    assert shown.json()["name"] == name
