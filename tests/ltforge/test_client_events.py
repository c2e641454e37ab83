"""Server-sent events: decoded however the bytes are cut, followed over broken connections."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltforge import Client, Event, LTForgeError, NoAnswerError, NotFoundError, RetryPolicy
from ltforge.events import Message, MessageDecoder

END = b'event: end\ndata: {"status": "succeeded"}\n\n'


def kept(number: int) -> bytes:
    event = {"seq": number, "type": "job.started", "data": {}, "created_at": "2026-11-24T00:00:00Z"}
    return f"id: {number}\nevent: job.started\ndata: {json.dumps(event)}\n\n".encode()


PROGRESS = b'event: progress\ndata: {"stage": "construct", "done": 1, "total": 2}\n\n'


@given(st.lists(st.integers(0, 400), max_size=8))
def test_messages_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    stream = b"retry: 2000\r\n\r\n: ping\n\n" + kept(1) + PROGRESS + b"data: a\ndata: b\n\n" + END
    places = sorted({0, *cuts, len(stream)})
    decoder = MessageDecoder()

    found = [
        message
        for begin, end in itertools.pairwise(places)
        for message in decoder.feed(stream[begin:end])
    ]

    assert [(item.name, item.number) for item in found] == [
        ("job.started", "1"),
        ("progress", None),
        ("message", None),
        ("end", None),
    ]
    assert found[2] == Message("message", None, "a\nb")


def test_a_message_that_never_ended_is_no_message() -> None:
    assert list(MessageDecoder().feed(kept(1)[:-1])) == []


class Broken(httpx.SyncByteStream):
    """Bytes, and then a lost connection or a plain end."""

    def __init__(self, *chunks: bytes, lost: bool) -> None:
        self._chunks = chunks
        self._lost = lost

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._lost:
            raise httpx.ReadError("connection reset")


def follower(
    answers: list[Callable[[], httpx.Response]], asked: list[Any], patience: float = 30
) -> Client:
    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["Last-Event-ID"])
        return answers.pop(0)() if answers else httpx.Response(503)

    retries = RetryPolicy(attempts=3, first_pause=0.01, longest_pause=0.02, patience=patience)
    return Client(
        "http://service", "ltf_key", transport=httpx.MockTransport(answer), retries=retries
    )


def streamed(*chunks: bytes, lost: bool = False) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(200, stream=Broken(*chunks, lost=lost))


def refused() -> httpx.Response:
    raise httpx.ConnectError("refused")


def test_a_broken_stream_goes_on_where_it_was_without_loss_or_double() -> None:
    asked: list[str] = []
    answers = [
        streamed(kept(1), PROGRESS, kept(2), lost=True),
        refused,
        streamed(b": ping\n\n"),
        lambda: httpx.Response(502),
        streamed(kept(3), END, kept(4)),
    ]

    with follower(answers, asked) as client:
        events = list(client.iter_events("job_1"))

    assert [event.seq for event in events] == [1, None, 2, 3]
    assert events[1] == Event(type="progress", data={"stage": "construct", "done": 1, "total": 2})
    assert asked == ["0", "2", "2", "2", "2"]


def test_progress_can_be_left_out_and_the_beginning_skipped() -> None:
    asked: list[str] = []

    with follower([streamed(PROGRESS, kept(6), END)], asked) as client:
        events = list(client.iter_events("job_1", after=5, progress=False))

    assert ([event.seq for event in events], asked) == ([6], ["5"])


def test_a_service_that_stays_away_ends_the_stream_by_name() -> None:
    asked: list[str] = []

    with follower([streamed(kept(1), lost=True), *[refused] * 1000], asked, patience=0.1) as client:
        events = client.iter_events("job_1")
        assert next(events).seq == 1
        with pytest.raises(NoAnswerError, match="CONNECTION_FAILED"):
            next(events)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (lambda: httpx.Response(404), NotFoundError),
        (streamed(b"event: x\ndata: {broken\n\n"), LTForgeError),
    ],
)
def test_what_will_not_get_better_is_raised_at_once(
    answer: Callable[[], httpx.Response], error: type[Exception]
) -> None:
    asked: list[str] = []

    with follower([answer], asked) as client, pytest.raises(error):
        list(client.iter_events("job_1"))

    assert len(asked) == 1
