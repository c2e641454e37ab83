"""A job's events as they happen: server-sent events, without a loss over broken connections."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ltforge.errors import LTForgeError, NoAnswerError
from ltforge.exchange import (
    Emit,
    Flow,
    Request,
    Stream,
    open_answer,
    pause,
    read_chunk,
    terms,
)
from ltforge.patience import Patience
from ltforge.records import read_record
from ltforge.resources import Event

_SILENCE_SECONDS = 45.0
"""The service gives a sign of life every 15 s; after this long without one, it is gone."""
_END = "end"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: its name, its number if it has one, and its text."""

    name: str
    number: str | None
    text: str


class MessageDecoder:
    """Bytes of ``text/event-stream`` in, whole messages out, however the bytes are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, chunk: bytes) -> Iterator[Message]:
        """The messages that these bytes complete."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for raw in lines:
            line = raw.rstrip(b"\r").decode(errors="replace")
            if line:
                self._take(line)
            elif "data" in self._fields:
                yield Message(
                    self._fields.get("event", "message"),
                    self._fields.get("id"),
                    self._fields["data"],
                )
                self._fields = {}

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and name in self._fields:
            value = f"{self._fields[name]}\n{value}"
        if name:
            self._fields[name] = value


class _Place:
    """How far a reader of a stream is."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.ended = False


def follow_events(path: str, after: int, *, progress: bool) -> Stream[Event]:
    """Every event above ``after`` as it happens, until the job has ended.

    A broken connection is made again, and the stream goes on where it was.

    Raises:
        NoAnswerError: the service stayed away for as long as the session's ``retries.patience``.
        ResponseError: the service refused; the job was deleted, for example.
    """
    allowed = yield from terms()
    place, patience = _Place(after), Patience(allowed)
    silence = max(allowed.timeout, _SILENCE_SECONDS)
    while not place.ended:
        try:
            yield from _connect(path, place.after, silence)
            yield from _listen(place, patience, progress=progress)
        except LTForgeError as error:
            yield from pause(patience.pause(error))


def _listen(place: _Place, patience: Patience, *, progress: bool) -> Stream[Event]:
    """The events of one connection."""
    decoder = MessageDecoder()
    while (chunk := (yield from read_chunk())) is not None:
        patience.renew()
        for message in decoder.feed(chunk):
            if message.name == _END:
                place.ended = True
                return
            event = _event(message)
            if event.seq is not None:
                place.after = event.seq
            if progress or event.seq is not None:
                yield Emit(event)
    raise NoAnswerError("STREAM_BROKEN", "the stream of events ended before the job", sent=True)


def _connect(path: str, after: int, silence: float) -> Flow[None]:
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
    yield from open_answer(Request("GET", path, headers=headers, timeout=silence))


def _event(message: Message) -> Event:
    try:
        document: dict[str, Any] = json.loads(message.text)
    except ValueError as error:
        raise LTForgeError("UNREADABLE_ANSWER", f"an event is not JSON: {error}") from error
    if message.number is None:
        return Event(type=message.name, data=document)
    return read_record(Event, document)
