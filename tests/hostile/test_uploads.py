"""Uploads that must be refused, on a real socket: each by name, and none leaves a byte."""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Iterator
from itertools import repeat

import pytest

from service.store.blobs import LocalBlobStore
from tests.hostile.raw_http import chunk, connect
from tests.service.running_api import LIMIT, RunningApi
from tests.waiting import wait_until

TEN_GIGABYTES = 10 * 10**9


@pytest.fixture
def api(shared_api: RunningApi) -> Iterator[RunningApi]:
    """The API; every test ends with an empty blob folder and no checkpoint."""
    yield shared_api
    wait_until(lambda: shared_api.blob_files() == [])
    assert shared_api.client.get("/v1/checkpoints").json()["data"] == []


def test_a_body_announced_too_large_is_refused_before_it_is_sent(api: RunningApi) -> None:
    with connect(api) as connection:
        connection.send_head(f"Content-Length: {TEN_GIGABYTES}")

        status, problem = connection.receive()

        assert (status, problem["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert str(LIMIT) in problem["detail"]
        assert connection.closed()


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("/v1/checkpoints", "ltf_un_known", 401),
        ("/v1/checkpoints?name=%00", None, 422),
        ("/v1/nowhere", None, 404),
        ("/livez", None, 405),
        ("/v1/jobs", None, 413),
    ],
)
def test_no_route_reads_ten_gigabytes_to_say_no(
    api: RunningApi, path: str, key: str | None, expected: int
) -> None:
    with connect(api) as connection:
        connection.send_head(f"Content-Length: {TEN_GIGABYTES}", path=path, key=key)

        status, _ = connection.receive()

        assert status == expected
        assert connection.closed()


def test_a_client_that_sends_ten_gigabytes_anyway_is_cut_off(api: RunningApi) -> None:
    with connect(api) as connection:
        connection.send_head(f"Content-Length: {TEN_GIGABYTES}")

        sent = connection.send_until_refused(repeat(bytes(1 << 16), TEN_GIGABYTES >> 16))

        assert sent < 64 << 20


def test_a_length_beyond_all_numbers_is_refused(api: RunningApi) -> None:
    for length in (2**63, 2**64, 10**40):
        with connect(api) as connection:
            connection.send_head(f"Content-Length: {length}")
            # The server's own parser refuses some of these, in its own words.
            assert connection.closed()


def test_u2_endless_chunks_are_cut_off_at_the_limit(api: RunningApi) -> None:
    with connect(api) as connection:
        connection.send_head("Transfer-Encoding: chunked")

        connection.send_until_refused(repeat(chunk(bytes(1 << 16)), LIMIT >> 16))
        wait_until(lambda: any(path.stat().st_size for path in api.blob_files()))
        connection.send_until_refused(repeat(chunk(bytes(1 << 16)), LIMIT >> 16))

        status, problem = connection.receive()
        assert (status, problem["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert connection.send_until_refused(repeat(chunk(bytes(1 << 16)), 10_000)) < 64 << 20


def test_data_sets_have_a_limit_too(api: RunningApi) -> None:
    answer = api.client.post("/v1/datasets", content=bytes(LIMIT + 1))

    assert answer.json()["code"] == "PAYLOAD_TOO_LARGE"


def test_u2_a_length_that_promises_too_much_ends_with_the_connection(api: RunningApi) -> None:
    with connect(api) as connection:
        connection.send_head("Content-Length: 2000000")
        connection.send(bytes(1_500_000))
        wait_until(lambda: len(api.blob_files()) == 1)

        connection.finish_sending()

        assert connection.closed()


def test_a_length_beside_chunks_is_refused_or_ignored(api: RunningApi) -> None:
    """Request smuggling: two lengths, two readings. The server may close, but never take both."""
    with connect(api) as connection:
        connection.send_head("Content-Length: 5", "Transfer-Encoding: chunked")
        connection.send(b"0\r\n\r\n")
        connection.finish_sending()
        assert connection.closed()


def test_a_client_that_goes_away_leaves_nothing(api: RunningApi) -> None:
    before = len(api.logs)
    for headers, body in [
        ("Content-Length: 3000000", bytes(2_000_000)),
        ("Transfer-Encoding: chunked", chunk(bytes(2_000_000))),
    ]:
        with connect(api) as connection:
            connection.send_head(headers)
            connection.send(body)
            wait_until(lambda: len(api.blob_files()) == 1)
        wait_until(lambda: api.blob_files() == [])

    def gone() -> list[object]:
        return [entry for entry in api.logs[before:] if entry.get("status") == 499]

    wait_until(lambda: len(gone()) == 2)
    assert not [entry for entry in api.logs[before:] if entry["log_level"] == "error"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "identity, gzip", "x"])
def test_u3_an_encoded_body_is_refused(api: RunningApi, encoding: str) -> None:
    answer = api.client.post(
        "/v1/checkpoints",
        content=gzip.compress(bytes(1_000_000)),
        headers={"Content-Encoding": encoding},
    )

    assert answer.status_code == 415
    assert answer.json()["code"] == "UNSUPPORTED_ENCODING"
    assert "uncompressed" in answer.json()["detail"]


def digest_of(algorithm: str, content: bytes) -> str:
    value = base64.b64encode(hashlib.new(algorithm.replace("-", ""), content).digest()).decode()
    return f"{algorithm}=:{value}:"


@pytest.mark.parametrize("algorithm", ["sha-256", "sha-512"])
def test_bytes_that_are_not_those_announced_are_refused(api: RunningApi, algorithm: str) -> None:
    headers = {"Content-Digest": f"md5=:AAAA:, {digest_of(algorithm, b'weights')}"}

    answer = api.client.post("/v1/checkpoints", content=b"weightz", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "DIGEST_MISMATCH")


@pytest.mark.parametrize(
    "header", ["sha-256=:AAAA:", "sha-256=AAAA", "sha-512=:=:", "sha-256=:\u00e9:", "SHA-256=::"]
)
def test_a_digest_that_is_none_is_refused(api: RunningApi, header: str) -> None:
    headers = {b"Content-Digest": header.encode("latin-1")}

    answer = api.client.post("/v1/checkpoints", content=b"weights", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DIGEST")


def test_u2_a_disk_that_is_nearly_full_takes_no_file(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalBlobStore, "free_bytes", lambda _: api.settings.free_disk_bytes)

    answers = [
        api.client.post("/v1/checkpoints", content=content) for content in (b"w", iter([b"w"]))
    ]

    assert [answer.status_code for answer in answers] == [507, 507]
    assert answers[0].json()["code"] == "STORAGE_FULL"
    assert int(answers[0].headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b'{"checkpoint_id": "a", "spec": {}, "checkpoint_id": "b"}', "DUPLICATE_KEY"),
        (b'{"spec": {"tolerance": {"parameter": 1, "parameter": 2}}}', "DUPLICATE_KEY"),
        (b'{"labels": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "TOO_DEEP"),
    ],
)
def test_a_document_with_two_meanings_is_refused(
    api: RunningApi, document: bytes, code: str
) -> None:
    headers = {"Content-Type": "application/json"}

    answer = api.client.post("/v1/jobs", content=document, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_a_form_is_refused_with_a_way_out(api: RunningApi) -> None:
    answer = api.client.post("/v1/checkpoints", files={"file": b"weights"})

    assert answer.status_code == 415
    assert "--data-binary" in answer.json()["detail"]


def test_an_empty_body_is_refused(api: RunningApi) -> None:
    announced = api.client.post("/v1/checkpoints", content=b"")
    chunked = api.client.post("/v1/checkpoints", content=iter([]))
    with connect(api) as connection:
        connection.send_head()
        silent = connection.receive()

    assert (announced.status_code, announced.json()["code"]) == (422, "EMPTY_UPLOAD")
    assert (chunked.status_code, chunked.json()["code"]) == (422, "EMPTY_UPLOAD")
    assert (silent[0], silent[1]["code"]) == (411, "LENGTH_REQUIRED")


@pytest.mark.parametrize(
    "name", ["a\r\nSet-Cookie: b", "a\nb", "a\x00b", "\x1b[31m", "\x7f", "\x85"]
)
def test_u1_a_name_with_control_characters_is_refused(api: RunningApi, name: str) -> None:
    answer = api.client.post("/v1/checkpoints", params={"name": name}, content=b"weights")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "name"


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_u1_a_name_has_a_length(api: RunningApi, name: str) -> None:
    answer = api.client.post("/v1/checkpoints", params={"name": name}, content=b"weights")

    assert answer.json()["errors"][0]["parameter"] == "name"


def test_an_unwritable_store_is_a_problem_and_not_a_crash(api: RunningApi) -> None:
    staging = api.settings.blobs / "staging"
    staging.rmdir()
    staging.touch()
    try:
        answer = api.client.post("/v1/checkpoints", content=b"weights")

        assert answer.status_code == 503
        assert answer.json()["code"] == "STORAGE_UNAVAILABLE"
        assert str(staging) not in answer.text
    finally:
        staging.unlink()
        staging.mkdir()
