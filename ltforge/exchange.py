"""What the client does, without doing it: flows of steps that a session carries out.

A flow is a generator. It yields steps (send this request, pause so long), is given what came of
each, and returns its result. It opens no socket and never sleeps, so one flow serves the blocking
client and the asynchronous one alike; ``blocking`` and ``asynchronous`` carry the steps out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ltforge.errors import LTForgeError, ResponseError, error_class
from ltforge.resources import FieldProblem
from ltforge.retrying import RetryPolicy

Result = TypeVar("Result")
Item_co = TypeVar("Item_co", covariant=True)

_NOT_MODIFIED = 304
_SUCCESSES = range(200, 300)


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, relative to the service's address.

    ``timeout`` overrides the session's for one network operation, in seconds.
    """

    method: str
    path: str
    parameters: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. ``headers`` know no upper and lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    @property
    def refused(self) -> bool:
        """Whether this is an error; 304 is the answer that was asked for."""
        return self.status not in _SUCCESSES and self.status != _NOT_MODIFIED

    @property
    def unchanged(self) -> bool:
        """Whether the service says that what the client has is still so."""
        return self.status == _NOT_MODIFIED


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session was configured with."""

    timeout: float
    retries: RetryPolicy


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request and read its whole answer: a Reply."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """Send a request and leave its answer's body to Read: a Reply, whole only if it is refused.

    A flow has one open answer at a time; opening the next one closes it.
    """

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """The next bytes of the open answer; None at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Let some seconds pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Call something that blocks, a disk for example; what it returns."""

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class AskTerms:
    """The session's Terms."""


Step = Send | Open | Read | Pause | Work | AskTerms


@dataclass(frozen=True, slots=True)
class Emit(Generic[Item_co]):
    """Hand an item to whoever iterates over the flow."""

    item: Item_co


Flow = Generator[Step, Any, Result]
"""Steps that end in a result."""
Stream = Generator[Step | Emit[Item_co], Any, None]
"""Steps that hand out items on the way."""


def send(request: Request) -> Flow[Reply]:
    """The answer to a request.

    Raises:
        NoAnswerError: none came.
        ResponseError: the service refused.
    """
    reply: Reply = yield Send(request)
    if reply.refused:
        raise response_error(reply)
    return reply


def open_answer(request: Request) -> Flow[Reply]:
    """The head of an answer whose body comes by ``read_chunk``; raises as ``send``."""
    reply: Reply = yield Open(request)
    if reply.refused:
        raise response_error(reply)
    return reply


def read_chunk() -> Flow[bytes | None]:
    """The next bytes of the open answer; None at its end."""
    chunk: bytes | None = yield Read()
    return chunk


def pause(seconds: float) -> Flow[None]:
    """Let some seconds pass."""
    yield Pause(seconds)


def work(call: Callable[[], Result]) -> Flow[Result]:
    """What ``call`` returns, called where blocking harms nobody."""
    result: Result = yield Work(call)
    return result


def terms() -> Flow[Terms]:
    """What the session was configured with."""
    found: Terms = yield AskTerms()
    return found


def document_of(reply: Reply) -> dict[str, Any]:
    """The JSON object of an answer."""
    document = _json_object(reply.content)
    if document is None:
        raise ResponseError(
            "NOT_THE_SERVICE",
            f"{reply.url} answered {reply.status} without a JSON object; check the base URL",
            status=reply.status,
            request_id=reply.headers.get("X-Request-ID"),
        )
    return document


def response_error(reply: Reply) -> ResponseError:
    """The named error for an answer that is not a success (RFC 9457 where it is one)."""
    document = _json_object(reply.content) or {}
    return error_class(reply.status)(
        str(document.get("code") or f"HTTP_{reply.status}"),
        str(document.get("detail") or document.get("title") or f"HTTP status {reply.status}"),
        status=reply.status,
        pointers=_field_problems(document.get("errors")),
        request_id=document.get("request_id") or reply.headers.get("X-Request-ID"),
        retry_after=_seconds(reply.headers.get("Retry-After")),
    )


def _field_problems(items: object) -> tuple[FieldProblem, ...]:
    """The ``errors`` list of a problem document; entries that are no objects are skipped."""
    entries = items if isinstance(items, list) else []
    return tuple(
        FieldProblem(
            pointer=str(entry.get("pointer") or entry.get("parameter") or ""),
            code=str(entry.get("code", "")),
            detail=str(entry.get("detail", "")),
        )
        for entry in entries
        if isinstance(entry, dict)
    )


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its date form, which our service never sends, is ignored."""
    if text is None or not text.strip().isdecimal():
        return None
    return float(text)


def json_request(
    method: str,
    path: str,
    document: Mapping[str, Any] | None = None,
    *,
    parameters: Mapping[str, str | int] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Request:
    """A request whose body, if any, is a JSON object."""
    given = {"Content-Type": "application/json"} if document is not None else {}
    return Request(
        method,
        path,
        parameters=parameters or {},
        headers={**given, **(headers or {})},
        content=None if document is None else _encoded(document),
    )


def _encoded(document: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(document, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise LTForgeError("NOT_JSON", f"this cannot be sent as JSON: {error}") from error
