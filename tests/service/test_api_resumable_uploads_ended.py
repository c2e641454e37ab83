"""How resumable uploads end otherwise: deleted, expired, collected; and what counts as stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from sqlalchemy import update

from service.queue import MemoryQueue
from service.store.tables import ResumableUploadRow
from tests.service.running_api import RunningApi
from tests.service.tus_client import TUS, begun, finalize, offset_of, send
from worker.housekeeper import Housekeeper


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
