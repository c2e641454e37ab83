"""Events of jobs over real HTTP: pages, streams, long polls and logs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import delete

from service.domain import ClaimedJob, Problem, Progress
from service.store.tables import EventRow
from tests.service.running_api import RunningApi, accept_checkpoint, submit, upload
from tests.waiting import wait_until

SSE = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Message:
    """One server-sent event."""

    name: str
    id: int | None
    data: dict[str, Any]


def messages(lines: Iterator[str]) -> Iterator[Message]:
    """What an EventSource would make of the lines."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            yield Message(fields["event"], number, json.loads(fields["data"]))
            fields = {}
        elif not line:
            fields = {}


@contextmanager
def stream(client: httpx.Client, path: str, **headers: str) -> Iterator[Iterator[Message]]:
    with client.stream("GET", path, headers=SSE | headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert "no-store" in answer.headers["Cache-Control"]
        yield messages(answer.iter_lines())


@pytest.fixture
def job(api: RunningApi) -> dict[str, Any]:
    checkpoint = upload(api.client)
    accept_checkpoint(api.store)
    return submit(api.client, checkpoint["id"])


def claim(api: RunningApi) -> ClaimedJob:
    with api.store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
    assert claimed is not None
    return claimed


def advance(api: RunningApi, claimed: ClaimedJob, stage: str, done: int = 1) -> None:
    with api.store.begin() as tx:
        progress = Progress.at(stage, done, 4)
        tx.jobs.heartbeat(claimed.job.id, claimed.lease_token, 60, progress)


def fail(api: RunningApi, claimed: ClaimedJob) -> None:
    with api.store.begin() as tx:
        problem = Problem("BROKEN", "it broke\n\nevent: end")
        assert tx.jobs.fail(claimed.job.id, claimed.lease_token, problem)


def finished(api: RunningApi) -> list[str]:
    """The events of a job that ran and failed."""
    claimed = claim(api)
    advance(api, claimed, "construct")
    advance(api, claimed, "construct", 2)
    advance(api, claimed, "verify")
    fail(api, claimed)
    return ["job.queued", "job.started", "job.progress", "job.progress", "job.failed"]


def test_pages_hold_all_events_in_order(api: RunningApi, job: dict[str, Any]) -> None:
    expected = finished(api)
    path = job["links"]["events"]

    whole = api.client.get(path).json()
    found, after = [], 0
    while True:
        page = api.client.get(path, params={"after": after, "limit": 2}).json()
        found += page["data"]
        after = page["next_after"]
        if not page["has_more"]:
            break

    assert [event["type"] for event in whole["data"]] == expected
    assert [event["seq"] for event in whole["data"]] == [1, 2, 3, 4, 5]
    assert (whole["has_more"], whole["terminal"], whole["next_after"]) == (False, True, 5)
    assert found == whole["data"]
    assert whole["data"][2]["data"]["stage"] == "construct"


def test_a_stream_of_a_finished_job_gives_all_and_ends(
    api: RunningApi, job: dict[str, Any]
) -> None:
    expected = finished(api)

    with stream(api.client, job["links"]["events"]) as received:
        *events, progress, end = received

    assert [(message.name, message.id) for message in events] == [
        (name, number) for number, name in enumerate(expected, 1)
    ]
    assert (progress.name, progress.id) == ("progress", None)
    assert (end.name, end.data) == ("end", {"status": "failed"})


def test_a_stream_tells_what_happens_while_it_is_open(api: RunningApi, job: dict[str, Any]) -> None:
    with stream(api.client, job["links"]["events"]) as received:
        assert next(received).name == "job.queued"
        assert next(received).data["stage"] == "queued"
        claimed = claim(api)
        assert next(received).name == "job.started"
        advance(api, claimed, "construct")
        assert next(received).data["data"]["stage"] == "construct"
        shown = next(received)
        assert (shown.name, shown.data["done"], shown.data["total"]) == ("progress", 1, 4)
        advance(api, claimed, "construct", 2)
        assert next(received).data["done"] == 2
        fail(api, claimed)
        assert [message.name for message in received] == ["job.failed", "end"]


def test_whoever_comes_back_misses_nothing_and_gets_nothing_twice(
    api: RunningApi, job: dict[str, Any]
) -> None:
    expected = finished(api)
    path = job["links"]["events"]

    for last in range(6):
        with stream(api.client, path, **{"Last-Event-ID": str(last)}) as received:
            found = [message.name for message in received if message.id is not None]
        with stream(api.client, f"{path}?after={last}") as received:
            assert found == [message.name for message in received if message.id is not None]
        assert found == expected[last:]


def test_pruned_events_are_missed_aloud(api: RunningApi, job: dict[str, Any]) -> None:
    finished(api)
    path = job["links"]["events"]
    with api.store.engine.begin() as connection:
        old = (EventRow.subject_id == job["id"]) & (EventRow.seq <= 3)
        connection.execute(delete(EventRow).where(old))

    for headers in ({}, SSE, SSE | {"Last-Event-ID": "2"}):
        answer = api.client.get(path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (410, "EVENTS_PRUNED")
    kept = api.client.get(path, params={"after": 3}).json()
    assert [event["seq"] for event in kept["data"]] == [4, 5]


@pytest.mark.parametrize("wrong", ["x", "-1", "1.5", "9" * 30])
def test_a_wrong_last_event_id_is_refused(api: RunningApi, job: dict[str, Any], wrong: str) -> None:
    answer = api.client.get(job["links"]["events"], headers=SSE | {"Last-Event-ID": wrong})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "last-event-id"


def test_a_stream_ends_when_its_job_is_deleted(api: RunningApi, job: dict[str, Any]) -> None:
    with stream(api.client, job["links"]["events"]) as received:
        next(received)
        api.client.post(job["links"]["cancel"])
        api.client.delete(job["links"]["self"])

        # Whether the cancellation was seen depends on which look came between.
        assert {message.name for message in received} <= {"progress", "job.canceled", "end"}


def test_many_streams_are_one_look_at_the_database(api: RunningApi, job: dict[str, Any]) -> None:
    claimed = claim(api)
    ended: list[list[str]] = []

    def follow() -> None:
        with stream(api.client, job["links"]["events"]) as received:
            ended.append([message.name for message in received if message.id is not None])

    threads = [threading.Thread(target=follow) for _ in range(20)]
    for thread in threads:
        thread.start()
    watch = api.application.state.parts.watch
    wait_until(lambda: watch.watchers == 20)
    assert watch.watched == 1
    advance(api, claimed, "construct")
    fail(api, claimed)
    for thread in threads:
        thread.join(timeout=30)

    assert ended == [["job.queued", "job.started", "job.progress", "job.failed"]] * 20
    wait_until(lambda: watch.watched == 0)


def test_a_client_that_goes_away_is_noticed(api: RunningApi, job: dict[str, Any]) -> None:
    watch = api.application.state.parts.watch
    with stream(api.client, job["links"]["events"]) as received:
        next(received)
        assert watch.watched == 1

    wait_until(lambda: watch.watched == 0)


def test_a_long_poll_answers_when_the_job_changes(api: RunningApi, job: dict[str, Any]) -> None:
    path = job["links"]["self"]
    tag = api.client.get(path).headers["ETag"]
    answers: list[httpx.Response] = []

    def ask(**headers: str) -> threading.Thread:
        def get() -> None:
            answers.append(api.client.get(path, headers={"Prefer": "wait=50"} | headers))

        thread = threading.Thread(target=get)
        thread.start()
        return thread

    threads = [ask(), ask(**{"If-None-Match": tag})]
    watch = api.application.state.parts.watch
    wait_until(lambda: watch.watchers == 2)
    claimed = claim(api)
    for thread in threads:
        thread.join(timeout=30)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert {answer.json()["status"] for answer in answers} == {"running"}
    assert {answer.headers["Preference-Applied"] for answer in answers} == {"wait=50"}
    # One that knows less is answered at once, and so is one about a terminal job.
    old = api.client.get(path, headers={"Prefer": "wait=50", "If-None-Match": tag})
    assert old.json()["status"] == "running"
    fail(api, claimed)
    assert api.client.get(path, headers={"Prefer": "wait=50"}).json()["terminal"] is True


def test_a_long_poll_ends_when_its_time_is_up(api: RunningApi, job: dict[str, Any]) -> None:
    path = job["links"]["self"]
    tag = api.client.get(path).headers["ETag"]

    same = api.client.get(path, headers={"Prefer": "wait=1", "If-None-Match": tag})
    again = api.client.get(path, headers={"Prefer": "wait=1"})

    assert same.status_code == 304
    assert again.json() == job


def test_a_log_is_read_whole_or_in_part(api: RunningApi, job: dict[str, Any]) -> None:
    path = job["links"]["logs"]
    empty = api.client.get(path)
    with api.store.begin() as tx:
        tx.logs.append(job["id"], b"one\n")
        tx.logs.append(job["id"], "zw\u00f6lf\n".encode())

    def part(wanted: str) -> tuple[int, bytes, str | None]:
        answer = api.client.get(path, headers={"Range": wanted})
        return answer.status_code, answer.content, answer.headers.get("Content-Range")

    assert (empty.status_code, empty.content) == (200, b"")
    whole = api.client.get(path)
    assert whole.text == "one\nzw\u00f6lf\n"
    assert whole.headers["Content-Type"] == "text/plain; charset=utf-8"
    size = len(whole.content)
    assert part("bytes=4-") == (206, whole.content[4:], f"bytes 4-{size - 1}/{size}")
    assert part("bytes=0-2") == (206, b"one", f"bytes 0-2/{size}")
    assert part("bytes=-3") == (206, b"lf\n", f"bytes {size - 3}-{size - 1}/{size}")
    assert part(f"bytes={size}-") == (416, b"", f"bytes */{size}")
    assert part("bytes=-0") == (416, b"", f"bytes */{size}")
    for ignored in ("bytes=2-1", "bytes=0-1,3-4", "lines=1-2", "bytes=-"):
        assert part(ignored)[:2] == (200, whole.content)
