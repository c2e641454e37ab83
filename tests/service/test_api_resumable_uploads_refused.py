"""Resumable uploads, pieces and finalizations that are refused, and what is left then."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from service.settings import Settings
from tests.service.running_api import LIMIT, RunningApi, serve_api
from tests.service.tus_client import PIECE, TUS, begin, begun, finalize, metadata, offset_of, send


def test_requests_of_another_version_are_refused(api: RunningApi) -> None:
    path = begun(api.client, 10)
    for version in ({}, {"Tus-Resumable": "0.2.2"}):
        for answer in (
            api.client.post("/v1/uploads", headers={**version, "Upload-Length": "1"}),
            api.client.patch(path, headers={**version, "Content-Type": PIECE}, content=b"x"),
            api.client.head(path, headers=version),
            api.client.delete(path, headers=version),
        ):
            assert answer.status_code == 412
            assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert offset_of(api.client, path) == 0


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"Upload-Length": "ten"}, 422, "upload-length"),
        ({"Upload-Length": "-1"}, 422, "upload-length"),
        ({"Upload-Length": "9" * 40}, 422, "upload-length"),
        ({"Upload-Length": "\u0661"}, 422, "upload-length"),
        ({"Upload-Length": "0"}, 422, "EMPTY_UPLOAD"),
        ({"Upload-Length": str(LIMIT + 1)}, 413, "PAYLOAD_TOO_LARGE"),
        ({"Upload-Metadata": ""}, 422, "'kind' must be"),
        ({"Upload-Metadata": "kind"}, 422, "'kind' must be"),
        ({"Upload-Metadata": metadata(kind="ticket")}, 422, "'kind' must be"),
        ({"Upload-Metadata": "kind c3Y*"}, 422, "base64"),
        ({"Upload-Metadata": "kind /w=="}, 422, "base64"),
        ({"Upload-Metadata": metadata(kind="dataset") + ",kind AAAA"}, 422, "twice"),
        ({"Upload-Metadata": metadata(kind="dataset", name="a\nb")}, 422, "control"),
        ({"Upload-Metadata": metadata(kind="dataset", name="n" * 256)}, 422, "255"),
        ({"Upload-Metadata": metadata(kind="dataset", x="n" * 4000)}, 422, "4096"),
        ({"Content-Type": "text/plain", "Content-Length": "1"}, 415, "offset+octet-stream"),
    ],
)
def test_an_upload_that_cannot_begin_is_refused(
    api: RunningApi, headers: dict[str, str], status: int, said: str
) -> None:
    own = {
        **TUS,
        "Upload-Length": "10",
        "Upload-Metadata": metadata(kind="checkpoint"),
        **headers,
    }
    content = b"x" if "Content-Length" in headers else b""

    answer = api.client.post(
        "/v1/uploads",
        headers={name.encode(): value.encode() for name, value in own.items()},
        content=content,
    )

    assert answer.status_code == status, answer.text
    assert said in answer.text
    assert api.client.get("/v1/usage").json()["now"]["stored_bytes"] == 0


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": "application/octet-stream"}, 415, "WRONG_MEDIA_TYPE"),
        ({"Content-Encoding": "gzip"}, 415, "UNSUPPORTED_ENCODING"),
        ({"Upload-Offset": "x"}, 422, "INVALID_REQUEST"),
        ({"Upload-Offset": "1"}, 409, "UPLOAD_OFFSET_MISMATCH"),
    ],
)
def test_a_piece_that_does_not_fit_is_refused(
    api: RunningApi, headers: dict[str, str], status: int, code: str
) -> None:
    path = begun(api.client, 10)

    answer = send(api.client, path, 0, b"abc", headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert offset_of(api.client, path) == 0


@pytest.mark.parametrize("header", ["md5 AAAA", "sha1", "sha1 AAAA", "sha1 =", "", "sha1 \u00e9"])
def test_a_checksum_that_is_none_is_refused(api: RunningApi, header: str) -> None:
    path = begun(api.client, 10)

    answer = send(api.client, path, 0, b"x", {"Upload-Checksum": header})

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DIGEST")


def test_an_unfinished_upload_is_no_checkpoint(api: RunningApi) -> None:
    path = begun(api.client, 10)
    send(api.client, path, 0, b"abc")

    answer = finalize(api.client, path)

    assert (answer.status_code, answer.json()["code"]) == (409, "UPLOAD_INCOMPLETE")
    assert "offset 3" in answer.json()["detail"]
    assert api.client.get("/v1/checkpoints").json()["data"] == []


@pytest.fixture
def narrow(settings: Settings) -> Iterator[RunningApi]:
    """An API that takes few bytes and few unfinished uploads."""
    changed = settings.model_copy(update={"max_stored_bytes": 1000, "max_unfinished_uploads": 2})
    with serve_api(changed) as running:
        yield running


def test_uploads_stay_within_the_tenants_limits(narrow: RunningApi) -> None:
    whole = begun(narrow.client, 1000)
    too_much = begin(narrow.client, 1)
    send(narrow.client, whole, 0, bytes(1000))
    made = finalize(narrow.client, whole)
    theirs = [begin(narrow.stranger, 10) for _ in range(3)]

    assert (too_much.status_code, too_much.json()["code"]) == (413, "STORAGE_QUOTA_EXCEEDED")
    assert made.status_code == 202, made.text
    assert [answer.status_code for answer in theirs] == [201, 201, 429]
    assert theirs[-1].json()["code"] == "QUOTA_EXCEEDED"
    assert int(theirs[-1].headers["Retry-After"]) > 0


def test_who_may_only_read_cannot_upload(api: RunningApi) -> None:
    path = begun(api.client, 10)
    made = api.client.post("/v1/api-keys", json={"name": "reader", "scopes": ["read"]}).json()
    headers = {"Authorization": f"Bearer {made['secret']}"}

    with httpx.Client(base_url=api.client.base_url, headers=headers, trust_env=False) as reader:
        answers = [begin(reader, 10), send(reader, path, 0, b"x"), finalize(reader, path)]
        answers.append(reader.delete(path, headers=TUS))

        assert [answer.status_code for answer in answers] == [403] * 4
        assert offset_of(reader, path) == 0
