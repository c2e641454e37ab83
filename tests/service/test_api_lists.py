"""Lists: newest first, in pages, with cursors that cannot be made up."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from service.api.cursors import Cursors, read_cursor_secret
from service.api.refusals import InvalidCursor
from service.identifiers import new_id
from tests.service.running_api import RunningApi, make_ticket, submit, upload


@pytest.fixture
def jobs(api: RunningApi) -> list[str]:
    """Seven jobs, newest first."""
    checkpoint = upload(api.client)
    return [submit(api.client, checkpoint["id"])["id"] for _ in range(7)][::-1]


def page(api: RunningApi, path: str = "/v1/jobs", **parameters: Any) -> dict[str, Any]:
    answer = api.client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_pages_cover_the_list_once_and_end(api: RunningApi, jobs: list[str]) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    sizes = []
    while True:
        part = page(api, limit=3, **cursor)
        seen += [job["id"] for job in part["data"]]
        sizes.append(len(part["data"]))
        if part["next_cursor"] is None:
            break
        cursor = {"cursor": part["next_cursor"]}

    assert seen == jobs
    assert sizes == [3, 3, 1]


def test_new_items_do_not_shift_later_pages(api: RunningApi, jobs: list[str]) -> None:
    first = page(api, limit=3)
    submit(api.client, api.client.get("/v1/checkpoints").json()["data"][0]["id"])

    second = page(api, limit=3, cursor=first["next_cursor"])

    assert [job["id"] for job in second["data"]] == jobs[3:6]


def test_a_page_that_ends_the_list_has_no_cursor(api: RunningApi, jobs: list[str]) -> None:
    assert page(api, limit=len(jobs))["next_cursor"] is None
    assert page(api)["next_cursor"] is None


def test_a_limit_above_the_maximum_means_the_maximum(api: RunningApi, jobs: list[str]) -> None:
    assert len(page(api, limit=10**9)["data"]) == len(jobs)


@pytest.mark.parametrize("limit", ["-1", "0", "many", "1e3", "9" * 5000])
def test_a_limit_that_is_no_positive_number_is_refused(api: RunningApi, limit: str) -> None:
    answer = api.client.get("/v1/jobs", params={"limit": limit})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "limit"


def test_every_list_has_pages(api: RunningApi) -> None:
    make_ticket(api, [b"file"])
    api.client.post("/v1/datasets", content=b"numbers")

    for collection in ("checkpoints", "datasets", "jobs", "tickets"):
        part = page(api, f"/v1/{collection}", limit=1)
        assert len(part["data"]) == 1
        assert part["next_cursor"] is None


def test_a_cursor_is_refused_where_it_was_not_issued(api: RunningApi, jobs: list[str]) -> None:
    cursor = page(api, limit=3)["next_cursor"]
    elsewhere = [
        api.client.get("/v1/jobs", params={"cursor": cursor, "status": "queued"}),
        api.client.get("/v1/tickets", params={"cursor": cursor}),
        api.stranger.get("/v1/jobs", params={"cursor": cursor}),
    ]

    for answer in elsewhere:
        assert answer.status_code == 400
        assert answer.json()["code"] == "INVALID_CURSOR"


def test_a3_a_tampered_cursor_is_refused(api: RunningApi, jobs: list[str]) -> None:
    cursor = page(api, limit=3)["next_cursor"]
    data = base64.urlsafe_b64decode(cursor)
    other = base64.urlsafe_b64encode(data[:16] + jobs[-1].encode()).decode()
    flipped = base64.urlsafe_b64encode(bytes([data[0] ^ 1]) + data[1:]).decode()

    for forged in (other, flipped, cursor[:-4], cursor + "AAAA", jobs[0], "", "☃", "\x00", "%00"):
        answer = api.client.get("/v1/jobs", params={"cursor": forged})
        assert answer.status_code == 400, forged
        assert answer.json()["code"] == "INVALID_CURSOR"


def test_cursors_outlive_a_restart_and_are_shared_by_processes(api: RunningApi) -> None:
    last = new_id("job")

    cursor = Cursors(read_cursor_secret(api.settings.data)).encode("jobs", last)

    again = Cursors(read_cursor_secret(api.settings.data))
    assert again.decode("jobs", cursor) == last
    assert (api.settings.data / "cursor.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidCursor):
        Cursors(b"another secret").decode("jobs", cursor)
