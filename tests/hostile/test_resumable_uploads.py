"""U4: resumable uploads used as they must not be, on a real socket and on both databases."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.hostile.raw_http import Connection, chunk, connect
from tests.service.running_api import RunningApi
from tests.service.tus_client import PIECE, TUS, begun, finalize, offset_of, send
from tests.waiting import wait_until

CONTENT = secrets.token_bytes(300_000)


@pytest.fixture
def api(shared_api: RunningApi) -> Iterator[RunningApi]:
    """The API; every test ends without unfinished uploads."""
    yield shared_api
    assert list((shared_api.settings.blobs / "unfinished").iterdir()) == []


def begin_piece(connection: Connection, path: str, offset: int, *headers: str) -> None:
    connection.send_head(
        *(f"{name}: {value}" for name, value in TUS.items()),
        f"Upload-Offset: {offset}",
        f"Content-Type: {PIECE}",
        *headers,
        path=path,
        method="PATCH",
    )


def test_u4_a_piece_beyond_the_announced_length_is_refused_before_it_is_read(
    api: RunningApi,
) -> None:
    path = begun(api.client, 1000)

    with connect(api) as connection:
        begin_piece(connection, path, 0, f"Content-Length: {10**10}")
        status, problem = connection.receive()
        closed = connection.closed()

    assert (status, problem["code"]) == (409, "UPLOAD_LENGTH_EXCEEDED")
    assert closed
    assert offset_of(api.client, path) == 0
    api.client.delete(path, headers=TUS)


def test_u4_endless_chunks_end_at_the_announced_length(api: RunningApi) -> None:
    path = begun(api.client, 100_000)

    with connect(api) as connection:
        begin_piece(connection, path, 0, "Transfer-Encoding: chunked")
        connection.send_until_refused(chunk(bytes(1 << 16)) for _ in range(10_000))

    wait_until(lambda: send(api.client, path, 0, bytes(100_000)).status_code == 204)
    assert finalize(api.client, path).json()["bytes"] == 100_000


def test_u4_a_second_writer_is_locked_out(api: RunningApi) -> None:
    path = begun(api.client, len(CONTENT))

    with connect(api) as connection:
        begin_piece(connection, path, 0, f"Content-Length: {len(CONTENT)}")
        connection.send(CONTENT[:200_000])

        def answer_to_another() -> tuple[int, str]:
            answer = send(api.client, path, 7, b"elsewhere")
            return answer.status_code, answer.json()["code"]

        wait_until(lambda: answer_to_another() == (423, "UPLOAD_LOCKED"))
        assert finalize(api.client, path).json()["code"] == "UPLOAD_LOCKED"
        connection.send(CONTENT[200_000:])
        connection.receive_head()

    assert offset_of(api.client, path) == len(CONTENT)
    assert finalize(api.client, path).json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_u4_many_writers_at_once_do_not_corrupt_the_file(api: RunningApi) -> None:
    """Each piece is sent by five at a time; each offset is won by one of them."""
    path = begun(api.client, len(CONTENT))
    statuses: set[int] = set()

    def push() -> None:
        with httpx.Client(
            base_url=api.client.base_url, headers=api.client.headers, trust_env=False, timeout=60
        ) as client:
            while (offset := offset_of(client, path)) < len(CONTENT):
                answer = send(client, path, offset, CONTENT[offset : offset + 20_000])
                statuses.add(answer.status_code)

    threads = [threading.Thread(target=push) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses <= {204, 409, 423}
    assert finalize(api.client, path).json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_u4_an_upload_deleted_under_its_writer_leaves_nothing(api: RunningApi) -> None:
    path = begun(api.client, len(CONTENT))

    with connect(api) as connection:
        begin_piece(connection, path, 0, f"Content-Length: {len(CONTENT)}")
        connection.send(CONTENT[:200_000])
        wait_until((api.settings.blobs / "unfinished" / path.rpartition("/")[2]).exists)
        assert api.client.delete(path, headers=TUS).status_code == 204
        connection.send(CONTENT[200_000:])
        status, problem = connection.receive()

    assert (status, problem["code"]) == (404, "NOT_FOUND")


def test_u4_a_finished_upload_takes_nothing_and_is_finalized_once(api: RunningApi) -> None:
    content = secrets.token_bytes(1000)
    path = begun(api.client, len(content))
    send(api.client, path, 0, content)
    first = finalize(api.client, path)

    again = [finalize(api.client, path) for _ in range(2)]
    replayed = [send(api.client, path, 0, content), send(api.client, path, len(content), b"more")]

    assert first.status_code == 202
    for answer in again:
        assert (answer.status_code, answer.json()["id"]) == (200, first.json()["id"])
    for answer in replayed:
        assert (answer.status_code, answer.json()["code"]) == (409, "UPLOAD_FINALIZED")
    assert api.client.get(first.headers["Location"]).json()["bytes"] == len(content)


def test_u4_another_tenant_can_do_nothing_with_an_upload(api: RunningApi) -> None:
    path = begun(api.client, 10)

    answers = [
        send(api.stranger, path, 0, b"abc"),
        finalize(api.stranger, path),
        api.stranger.get(path),
        api.stranger.delete(path, headers=TUS),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert offset_of(api.client, path) == 0
    api.client.delete(path, headers=TUS)
