"""Flows carried out by blocking calls, and the methods of the blocking client made of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import httpx

from ltforge.errors import LTForgeError
from ltforge.exchange import (
    AskTerms,
    Emit,
    Flow,
    Open,
    Pause,
    Read,
    Reply,
    Request,
    Send,
    Step,
    Stream,
    Terms,
    Work,
)
from ltforge.methods import Method, bind
from ltforge.notebook import Rows, Shown, rows_html
from ltforge.wire import HTTP_ERRORS, client_arguments, reply_of, request_arguments, translated

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Item = TypeVar("Item")
Record = TypeVar("Record", bound=Shown)

_PREVIEW = 20


class BlockingSession:
    """An authenticated connection to one service."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        terms: Terms,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.terms = terms
        self.http = httpx.Client(**client_arguments(base_url, api_key, terms), transport=transport)

    def close(self) -> None:
        """Close every pooled connection."""
        self.http.close()

    def run(self, flow: Flow[Result]) -> Result:
        """Carry a flow out and return its result."""
        with _Performance(self) as performance:
            try:
                step = next(flow)
                while True:
                    step = performance.advance(flow, step)
            except StopIteration as end:
                result: Result = end.value
                return result
            finally:
                flow.close()

    def iterate(self, stream: Stream[Item]) -> Iterator[Item]:
        """Carry a flow out as far as its items are asked for."""
        with _Performance(self) as performance:
            try:
                step = next(stream)
                while True:
                    if isinstance(step, Emit):
                        yield step.item
                        step = next(stream)
                    else:
                        step = performance.advance(stream, step)
            except StopIteration:
                return
            finally:
                stream.close()


class _Performance:
    """The carrying out of one flow: it owns the answer that the flow has open."""

    def __init__(self, session: BlockingSession) -> None:
        self._session = session
        self._open: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def advance(self, flow: Any, step: Step) -> Any:
        """Do one step and tell the flow what came of it; its next step."""
        try:
            outcome = self._perform(step)
        except Exception as error:
            return flow.throw(error)
        return flow.send(outcome)

    def _perform(self, step: Step) -> Any:
        match step:
            case Send(request):
                return self._send(request)
            case Open(request):
                return self._open_answer(request)
            case Read():
                return self._read()
            case Pause(seconds):
                return time.sleep(seconds)
            case Work(call):
                return call()
            case AskTerms():
                return self._session.terms

    def _send(self, request: Request) -> Reply:
        try:
            return reply_of(self._session.http.send(self._built(request)))
        except HTTP_ERRORS as error:
            raise self._named(error) from error

    def _open_answer(self, request: Request) -> Reply:
        self._close()
        try:
            response = self._session.http.send(self._built(request), stream=True)
            self._open = response
            if not response.is_success:
                response.read()
                return reply_of(response)
        except HTTP_ERRORS as error:
            raise self._named(error) from error
        self._chunks = response.iter_bytes()
        return reply_of(response, whole=False)

    def _read(self) -> bytes | None:
        try:
            return next(self._chunks, None)
        except HTTP_ERRORS as error:
            raise self._named(error) from error

    def _built(self, request: Request) -> httpx.Request:
        return self._session.http.build_request(**request_arguments(request, self._session.terms))

    def _named(self, error: Exception) -> LTForgeError:
        return translated(error, self._session.http.base_url)

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
        self._open, self._chunks = None, iter(())


class Listing(Generic[Record]):
    """The records of a list, fetched page by page while you iterate; every time afresh."""

    def __init__(self, start: Callable[[], Iterator[Record]]) -> None:
        self._start = start

    def __iter__(self) -> Iterator[Record]:
        return self._start()

    def first(self, count: int) -> Rows[Record]:
        """The first records."""
        return Rows(islice(self, count))

    def _repr_html_(self) -> str:
        """The first records as a table."""
        found = self.first(_PREVIEW + 1)
        return rows_html(found[:_PREVIEW], more=len(found) > _PREVIEW)


class Again(Generic[Arguments]):
    """A method whose result is the same kind of record as the one it is called on."""

    def __init__(self, flow: Callable[Concatenate[Any, Arguments], Flow[Any]]) -> None:
        self._method: Method[Arguments, Any] = Method(flow, _run_again, own=True)
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Item, owner: type[Item]) -> Callable[Arguments, Item]: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else self._method.__get__(instance, owner)


def _run_again(instance: Any, start: Callable[[], Flow[Any]]) -> Any:
    return bind(type(instance), instance._session.run(start()), instance._session)


@overload
def call(flow: Callable[Arguments, Flow[Result]]) -> Method[Arguments, Result]: ...


@overload
def call(flow: Callable[Arguments, Flow[Any]], kind: type[Result]) -> Method[Arguments, Result]: ...


def call(flow: Callable[..., Flow[Any]], kind: type[Any] | None = None) -> Method[..., Any]:
    """A client's method that carries a flow out; its record comes as ``kind``, able to act."""

    def carry(instance: Any, start: Callable[[], Flow[Any]]) -> Any:
        result = instance._session.run(start())
        return result if kind is None else bind(kind, result, instance._session)

    return Method(flow, carry)


def own_call(
    flow: Callable[Concatenate[Any, Arguments], Flow[Result]],
) -> Method[Arguments, Result]:
    """A record's method that carries a flow out with the record as its first argument."""
    return Method(flow, lambda record, start: record._session.run(start()), own=True)


def listing(
    flow: Callable[Arguments, Stream[Any]], kind: type[Record]
) -> Method[Arguments, Listing[Record]]:
    """A client's method whose result is a list, its records of ``kind``."""

    def carry(instance: Any, start: Callable[[], Stream[Any]]) -> Listing[Record]:
        session: BlockingSession = instance._session
        acting = "_session" in getattr(kind, "__dataclass_fields__", {})

        def records() -> Iterator[Record]:
            for record in session.iterate(start()):
                yield bind(kind, record, session) if acting else record

        return Listing(records)

    return Method(flow, carry)


def iteration(flow: Callable[Arguments, Stream[Item]]) -> Method[Arguments, Iterator[Item]]:
    """A client's method that hands out items as they come."""
    return Method(flow, lambda instance, start: instance._session.iterate(start()))


def own_iteration(
    flow: Callable[Concatenate[Any, Arguments], Stream[Item]],
) -> Method[Arguments, Iterator[Item]]:
    """A record's method that hands out items as they come."""
    return Method(flow, lambda record, start: record._session.iterate(start()), own=True)
