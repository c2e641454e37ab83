"""Downloads as RFC 9110 has them: conditions, ranges, digests, HEAD."""

from __future__ import annotations

import base64
import hashlib

import pytest

from tests.service.running_api import RunningApi, make_ticket

CHUNKS = [bytes([number]) * (1 << 20) for number in range(3)] + [b"the rest"]
CONTENT = b"".join(CHUNKS)
SIZE = len(CONTENT)
SHA256 = hashlib.sha256(CONTENT)
ETAG = f'"sha256-{SHA256.hexdigest()}"'
DIGEST = f"sha-256=:{base64.b64encode(SHA256.digest()).decode()}:"


@pytest.fixture(scope="module")
def api(shared_api: RunningApi) -> RunningApi:
    return shared_api


@pytest.fixture(scope="module")
def path(api: RunningApi) -> str:
    return f"/v1/tickets/{make_ticket(api, CHUNKS)}/mask"


def test_the_whole_is_announced_with_its_digests(api: RunningApi, path: str) -> None:
    answer = api.client.get(path)

    assert answer.content == CONTENT
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Repr-Digest"] == DIGEST
    assert answer.headers["Content-Digest"] == DIGEST


def test_head_tells_what_get_would_send(api: RunningApi, path: str) -> None:
    told = api.client.head(path)
    sent = api.client.get(path)

    assert told.status_code == 200
    assert told.content == b""
    ignored = {"date", "x-request-id", "ratelimit"}
    assert {k: v for k, v in told.headers.items() if k not in ignored} == {
        k: v for k, v in sent.headers.items() if k not in ignored
    }


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, SIZE),
        ("bytes=10-19", 10, 20),
        ("bytes=1048570-1048581", 1048570, 1048582),
        ("bytes=-8", SIZE - 8, SIZE),
        (f"bytes=-{SIZE + 5}", 0, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=5-{SIZE + 100}", 5, SIZE),
        ("BYTES = 3 - 4", 3, 5),
    ],
)
def test_a_range_is_sent_alone(
    api: RunningApi, path: str, asked: str, begin: int, end: int
) -> None:
    answer = api.client.get(path, headers={"Range": asked})

    assert answer.status_code == 206
    assert answer.content == CONTENT[begin:end]
    assert answer.headers["Content-Range"] == f"bytes {begin}-{end - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(end - begin)
    assert answer.headers["ETag"] == ETAG
    assert answer.headers["Repr-Digest"] == DIGEST
    assert "Content-Digest" not in answer.headers


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 9}-{SIZE + 10}", "bytes=-0"])
def test_a_range_past_the_end_is_refused(api: RunningApi, path: str, asked: str) -> None:
    answer = api.client.get(path, headers={"Range": asked})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"
    assert answer.json()["code"] == "RANGE_NOT_SATISFIABLE"


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,4-5",
        "bytes=5-2",
        "lines=1-2",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        f"bytes={'9' * 40}-",
    ],
)
def test_other_ranges_are_ignored(api: RunningApi, path: str, asked: str) -> None:
    answer = api.client.get(path, headers={"Range": asked})

    assert answer.status_code == 200
    assert answer.content == CONTENT


@pytest.mark.parametrize(
    ("guard", "status"),
    [(ETAG, 206), (f"W/{ETAG}", 200), ('"other"', 200), ("Mon, 23 Nov 2026 12:00:00 GMT", 200)],
)
def test_if_range_guards_a_range(api: RunningApi, path: str, guard: str, status: int) -> None:
    answer = api.client.get(path, headers={"Range": "bytes=0-9", "If-Range": guard})

    assert answer.status_code == status
    assert answer.content == (CONTENT[:10] if status == 206 else CONTENT)


def test_what_the_client_has_is_not_sent_even_in_part(api: RunningApi, path: str) -> None:
    asked = {"Range": "bytes=0-9", "If-None-Match": f'"other", W/{ETAG}'}

    for method in ("GET", "HEAD"):
        answer = api.client.request(method, path, headers=asked)

        assert answer.status_code == 304
        assert answer.content == b""


def test_if_match_must_name_the_file(api: RunningApi, path: str) -> None:
    for header, status in ((ETAG, 200), ("*", 200), ('"other"', 412), (f"W/{ETAG}", 412)):
        assert api.client.get(path, headers={"If-Match": header}).status_code == status


def test_strangers_learn_nothing(api: RunningApi, path: str) -> None:
    for method in ("GET", "HEAD"):
        answer = api.stranger.request(method, path, headers={"If-None-Match": ETAG})

        assert answer.status_code == 404
