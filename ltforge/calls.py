"""The calls that operations are made of: sent again where that is safe, read as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar
from urllib.parse import quote
from uuid import uuid4

from ltforge.errors import LTForgeError
from ltforge.exchange import (
    Emit,
    Flow,
    Reply,
    Request,
    Stream,
    document_of,
    json_request,
    pause,
    send,
    terms,
)
from ltforge.records import read_record
from ltforge.retrying import Repeat

RecordType = TypeVar("RecordType")

Parameters = Mapping[str, str | int | None]
"""Query parameters; those that are None are left out."""


class Identified(Protocol):
    """Anything the service gave an id."""

    @property
    def id(self) -> str:
        """The id."""


def id_of(resource: Identified | str) -> str:
    """A resource's id; an id is its own."""
    return resource if isinstance(resource, str) else resource.id


def address(collection: str, resource: Identified | str, *rest: str) -> str:
    """The path of one resource; an id given as text cannot leave its place in the path."""
    return "/".join([collection, quote(id_of(resource), safe=""), *rest])


def given(parameters: Parameters) -> dict[str, str | int]:
    """The parameters that have a value."""
    return {name: value for name, value in parameters.items() if value is not None}


def attempt(request: Request, repeat: Repeat = Repeat.HARMLESS) -> Flow[Reply]:
    """The answer to a request, sent again after passing failures where ``repeat`` allows it."""
    retries = (yield from terms()).retries
    for number in range(1, retries.attempts):
        try:
            return (yield from send(request))
        except LTForgeError as error:
            if not repeat.allows(error):
                raise
            seconds = retries.pause(number, error)
        yield from pause(seconds)
    return (yield from send(request))


def get(
    kind: type[RecordType], path: str, parameters: Parameters | None = None
) -> Flow[RecordType]:
    """Read one resource."""
    reply = yield from attempt(json_request("GET", path, parameters=given(parameters or {})))
    return read_record(kind, document_of(reply))


def get_document(path: str, parameters: Parameters | None = None) -> Flow[dict[str, Any]]:
    """Read one JSON object that has no fixed fields."""
    reply = yield from attempt(json_request("GET", path, parameters=given(parameters or {})))
    return document_of(reply)


def get_text(
    path: str, parameters: Parameters | None = None, headers: Mapping[str, str] | None = None
) -> Flow[str]:
    """Read plain text."""
    asked = {"Accept": "text/plain, text/csv", **(headers or {})}
    request = Request("GET", path, parameters=given(parameters or {}), headers=asked)
    return (yield from attempt(request)).content.decode(errors="replace")


def create(
    kind: type[RecordType],
    path: str,
    document: Mapping[str, Any] | None,
    *,
    idempotency_key: str | None = None,
    kept: bool = True,
) -> Flow[RecordType]:
    """Create something, at most once.

    Every such request carries an Idempotency-Key. ``kept`` says that the service remembers its
    answer under it, so that a lost answer may be asked for again.
    """
    headers = {"Idempotency-Key": idempotency_key or str(uuid4())}
    request = json_request("POST", path, document, headers=headers)
    repeat = Repeat.HARMLESS if kept else Repeat.ONLY_IF_NOTHING_HAPPENED
    return read_record(kind, document_of((yield from attempt(request, repeat))))


def post(
    kind: type[RecordType],
    path: str,
    document: Mapping[str, Any] | None = None,
    *,
    repeat: Repeat = Repeat.HARMLESS,
) -> Flow[RecordType]:
    """Ask for something to be done to what is there."""
    reply = yield from attempt(json_request("POST", path, document), repeat)
    return read_record(kind, document_of(reply))


def patch(kind: type[RecordType], path: str, changes: Mapping[str, Any]) -> Flow[RecordType]:
    """Change a resource's fields; the same change twice is one change."""
    reply = yield from attempt(json_request("PATCH", path, changes))
    return read_record(kind, document_of(reply))


def delete(path: str, headers: Mapping[str, str] | None = None) -> Flow[None]:
    """Delete a resource."""
    # Not repeated once it was sent: a second answer would be that nothing is there.
    yield from attempt(
        Request("DELETE", path, headers=headers or {}), Repeat.ONLY_IF_NOTHING_HAPPENED
    )


def pages(
    kind: type[RecordType], path: str, parameters: Parameters, page_size: int
) -> Stream[RecordType]:
    """Every record of a list, fetched page by page as they are wanted."""
    cursor: str | None = None
    while True:
        page = yield from get_document(path, {**parameters, "limit": page_size, "cursor": cursor})
        for document in page.get("data", ()):
            yield Emit(read_record(kind, document))
        cursor = page.get("next_cursor")
        if not cursor:
            return
