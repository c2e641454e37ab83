"""Resumable uploads over HTTP: the tus protocol, and what a finished upload becomes."""

from __future__ import annotations

import base64
import hashlib
import threading
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
import pytest

from tests.hostile.raw_http import connect
from tests.service.running_api import LIMIT, RunningApi, upload
from tests.service.tus_client import PIECE, TUS, begun, finalize, metadata, offset_of, send
from tests.waiting import wait_until

CONTENT = bytes(range(256)) * 40


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
