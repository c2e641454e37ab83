"""Resumable uploads over HTTP: the tus protocol, and what a finished upload becomes."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest
from sqlalchemy import update

from service.queue import MemoryQueue
from service.settings import Settings
from service.store.tables import ResumableUploadRow
from tests.hostile.raw_http import connect
from tests.service.running_api import LIMIT, RunningApi, serve_api, upload
from tests.service.tus_client import PIECE, TUS, begin, begun, finalize, metadata, offset_of, send
from tests.waiting import wait_until
from worker.housekeeper import Housekeeper

CONTENT = bytes(range(256)) * 40


def set_expiry(api: RunningApi, path: str, moment: datetime) -> None:
    """As if nobody had gone on with the upload for long."""
    row = ResumableUploadRow
    change = update(row).where(row.id == path.rpartition("/")[2]).values(expires_at=moment)
    with api.store.engine.begin() as connection:
        connection.execute(change)


def keep_house(api: RunningApi, grace: float = 1e-6) -> None:
    settings = api.settings.model_copy(update={"blob_grace_seconds": grace})
    settings.scratch.mkdir(parents=True, exist_ok=True)
    Housekeeper(settings, api.store, MemoryQueue(), "keeper").round(0.0)


def test_a_file_in_pieces_becomes_the_checkpoint_of_a_plain_upload(api: RunningApi) -> None:
    path = begun(api.client, len(CONTENT), name="résumé.pt")

    for offset in range(0, len(CONTENT), 3000):
        piece = CONTENT[offset : offset + 3000]
        answer = send(api.client, path, offset, piece)
        assert answer.status_code == 204, answer.text
        assert answer.headers["Upload-Offset"] == str(offset + len(piece))
        assert answer.headers["Tus-Resumable"] == "1.0.0"
    made = finalize(api.client, path)

    assert made.status_code == 202, made.text
    checkpoint = made.json()
    assert made.headers["Location"] == checkpoint["links"]["self"]
    assert (checkpoint["name"], checkpoint["status"]) == ("résumé.pt", "validating")
    assert checkpoint["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert checkpoint["bytes"] == len(CONTENT)
    assert upload(api.client, CONTENT)["id"] == checkpoint["id"]
    assert [file.name for file in api.blob_files()] == [checkpoint["sha256"]]
    shown = api.client.get(path).json()
    assert shown["resource_id"] == checkpoint["id"]
    assert shown["links"]["resource"] == checkpoint["links"]["self"]


def test_a_data_set_comes_in_pieces_too(api: RunningApi) -> None:
    path = begun(api.client, len(CONTENT), "dataset")
    send(api.client, path, 0, CONTENT)

    made = finalize(api.client, path)

    assert made.headers["Location"].startswith("/v1/datasets/")
    assert api.client.get(made.headers["Location"]).json()["sha256"] == made.json()["sha256"]


def test_bytes_that_are_known_make_no_second_checkpoint(api: RunningApi) -> None:
    known = upload(api.client, CONTENT)
    path = begun(api.client, len(CONTENT))
    send(api.client, path, 0, CONTENT)

    made = finalize(api.client, path)

    assert (made.status_code, made.json()["id"]) == (200, known["id"])


def test_the_protocol_says_what_it_offers(api: RunningApi) -> None:
    answer = api.client.options("/v1/uploads")

    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "termination",
        "expiration",
        "checksum",
    }
    assert answer.headers["Tus-Max-Size"] == str(LIMIT)
    assert "sha1" in answer.headers["Tus-Checksum-Algorithm"].split(",")


def test_head_tells_the_offset_the_length_and_what_the_client_said(api: RunningApi) -> None:
    said = metadata(kind="checkpoint", filename="a.pt", filetype="x/y")
    headers = {**TUS, "Upload-Length": "100", "Upload-Metadata": said}
    path = api.client.post("/v1/uploads", headers=headers).headers["Location"]
    send(api.client, path, 0, b"some")

    answer = api.client.head(path, headers=TUS)

    assert answer.headers["Upload-Offset"] == "4"
    assert answer.headers["Upload-Length"] == "100"
    assert answer.headers["Upload-Metadata"] == said
    assert answer.headers["Cache-Control"] == "no-store"
    expires = parsedate_to_datetime(answer.headers["Upload-Expires"])
    assert timedelta(hours=23) < expires - datetime.now(UTC) < timedelta(hours=25)
    assert api.client.get(path).json()["name"] == "a.pt"


def test_an_upload_may_begin_with_its_first_piece(api: RunningApi) -> None:
    headers = {
        **TUS,
        "Upload-Length": str(len(CONTENT)),
        "Upload-Metadata": metadata(kind="checkpoint"),
        "Content-Type": PIECE,
    }

    answer = api.client.post("/v1/uploads", headers=headers, content=CONTENT[:700])

    assert (answer.status_code, answer.headers["Upload-Offset"]) == (201, "700")
    path = answer.headers["Location"]
    assert send(api.client, path, 700, CONTENT[700:]).status_code == 204
    assert finalize(api.client, path).json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
def test_a_piece_with_a_wrong_checksum_is_not_kept(api: RunningApi, algorithm: str) -> None:
    path = begun(api.client, len(CONTENT))
    digest = base64.b64encode(hashlib.new(algorithm, CONTENT).digest()).decode()
    announced = {"Upload-Checksum": f"{algorithm} {digest}"}

    refused = send(api.client, path, 0, CONTENT[:-1] + b"x", announced)
    after = offset_of(api.client, path)
    taken = send(api.client, path, 0, CONTENT, announced)

    assert (refused.status_code, refused.json()["code"]) == (460, "CHECKSUM_MISMATCH")
    assert refused.headers["Tus-Resumable"] == "1.0.0"
    assert after == 0
    assert taken.status_code == 204
    assert finalize(api.client, path).json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("header", ["md5 AAAA", "sha1", "sha1 AAAA", "sha1 =", "", "sha1 \u00e9"])
def test_a_checksum_that_is_none_is_refused(api: RunningApi, header: str) -> None:
    path = begun(api.client, 10)

    answer = send(api.client, path, 0, b"x", {"Upload-Checksum": header.encode("latin-1")})  # type: ignore[dict-item]

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_DIGEST")


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
        headers={name: value.encode() for name, value in own.items()},  # type: ignore[misc]
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


def test_an_unfinished_upload_is_no_checkpoint(api: RunningApi) -> None:
    path = begun(api.client, 10)
    send(api.client, path, 0, b"abc")

    answer = finalize(api.client, path)

    assert (answer.status_code, answer.json()["code"]) == (409, "UPLOAD_INCOMPLETE")
    assert "offset 3" in answer.json()["detail"]
    assert api.client.get("/v1/checkpoints").json()["data"] == []


def test_a_deleted_upload_is_gone_with_its_bytes(api: RunningApi) -> None:
    path = begun(api.client, 10)
    send(api.client, path, 0, b"abc")

    assert api.client.delete(path, headers=TUS).status_code == 204

    assert api.blob_files() == []
    assert api.client.delete(path, headers=TUS).status_code == 404
    assert send(api.client, path, 3, b"d").status_code == 404
    assert api.client.head(path, headers=TUS).status_code == 404
    assert api.blob_files() == []


def test_deleting_a_finished_upload_leaves_what_it_became(api: RunningApi) -> None:
    path = begun(api.client, 3)
    send(api.client, path, 0, b"abc")
    made = finalize(api.client, path)

    assert api.client.delete(path, headers=TUS).status_code == 204

    assert api.client.get(made.headers["Location"]).status_code == 200
    assert len(api.blob_files()) == 1


def test_an_upload_that_is_not_gone_on_with_expires(api: RunningApi) -> None:
    late, kept = begun(api.client, 10), begun(api.client, 10)
    for path in (late, kept):
        send(api.client, path, 0, b"abc")
    set_expiry(api, late, datetime.now(UTC) - timedelta(seconds=1))

    answers = [send(api.client, late, 3, b"d"), finalize(api.client, late), api.client.get(late)]
    keep_house(api)

    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (410, "UPLOAD_EXPIRED")
    assert api.client.get(late).status_code == 404
    assert [file.name for file in api.blob_files()] == [kept.rpartition("/")[2]]
    assert offset_of(api.client, kept) == 3


def test_a_piece_puts_the_expiry_off(api: RunningApi) -> None:
    path = begun(api.client, 10)
    set_expiry(api, path, datetime.now(UTC) + timedelta(minutes=5))

    answer = send(api.client, path, 0, b"abc")

    expires = parsedate_to_datetime(answer.headers["Upload-Expires"])
    assert expires - datetime.now(UTC) > timedelta(hours=23)


def test_bytes_without_an_upload_are_collected(api: RunningApi) -> None:
    path = begun(api.client, 3)
    send(api.client, path, 0, b"abc")
    finalize(api.client, path)
    unfinished = api.settings.blobs / "unfinished"
    left_by_a_crash = [unfinished / path.rpartition("/")[2], unfinished / f"upl_{'0' * 26}"]
    for file in left_by_a_crash:
        file.write_bytes(b"abc")

    keep_house(api, grace=3600)
    assert all(file.exists() for file in left_by_a_crash)
    keep_house(api)

    assert not any(file.exists() for file in left_by_a_crash)


def test_an_upload_whose_bytes_are_lost_begins_again(api: RunningApi) -> None:
    path = begun(api.client, len(CONTENT))
    send(api.client, path, 0, CONTENT[:5000])
    (api.settings.blobs / "unfinished" / path.rpartition("/")[2]).write_bytes(CONTENT[:1000])

    offset = offset_of(api.client, path)
    answer = send(api.client, path, offset, CONTENT[offset:])

    assert offset == 1000
    assert answer.status_code == 204
    assert finalize(api.client, path).json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()


def test_what_came_of_a_broken_piece_is_kept(api: RunningApi) -> None:
    path = begun(api.client, 3_000_000)
    content = bytes(3_000_000)

    with connect(api) as connection:
        connection.send_head(
            "Tus-Resumable: 1.0.0",
            "Upload-Offset: 0",
            f"Content-Type: {PIECE}",
            "Content-Length: 3000000",
            path=path,
            method="PATCH",
        )
        connection.send(content[:2_000_000])
        wait_until(lambda: any(file.stat().st_size for file in api.blob_files()))

    wait_until(lambda: offset_of(api.client, path) == 2_000_000)
    assert send(api.client, path, 2_000_000, content[2_000_000:]).status_code == 204
    assert finalize(api.client, path).status_code == 202


def test_announced_bytes_count_as_stored_until_the_upload_ends(api: RunningApi) -> None:
    def stored() -> int:
        return int(api.client.get("/v1/usage").json()["now"]["stored_bytes"])

    first, second = begun(api.client, 1000), begun(api.client, 500)
    announced = stored()
    send(api.client, first, 0, bytes(1000))
    finalize(api.client, first)
    finished = stored()
    api.client.delete(second, headers=TUS)

    assert (announced, finished, stored()) == (1500, 1500, 1000)


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


def test_finalizing_at_the_same_time_makes_one_checkpoint(api: RunningApi) -> None:
    path = begun(api.client, LIMIT)
    send(api.client, path, 0, bytes(LIMIT))
    answers: list[httpx.Response] = []
    threads = [
        threading.Thread(target=lambda: answers.append(finalize(api.client, path)))
        for _ in range(6)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {200, 202, 423}
    assert [answer.status_code for answer in answers].count(202) == 1
    assert len(api.client.get("/v1/checkpoints").json()["data"]) == 1
