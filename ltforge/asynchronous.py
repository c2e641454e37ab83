"""Flows carried out by coroutines, and the methods of the asynchronous client made of them.

The twin of ``blocking``: the same steps, awaited. Runs under asyncio and trio.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import anyio
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
from ltforge.notebook import Rows, Shown
from ltforge.wire import HTTP_ERRORS, client_arguments, reply_of, request_arguments, translated

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Item = TypeVar("Item")
Record = TypeVar("Record", bound=Shown)
Awaited = Coroutine[Any, Any, Result]


class AsyncSession:
    """An authenticated connection to one service."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        terms: Terms,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.terms = terms
        arguments = client_arguments(base_url, api_key, terms)
        self.http = httpx.AsyncClient(**arguments, transport=transport)

    async def close(self) -> None:
        """Close every pooled connection."""
        await self.http.aclose()

    async def run(self, flow: Flow[Result]) -> Result:
        """Carry a flow out and return its result."""
        async with _Performance(self) as performance:
            try:
                step = _told(lambda: next(flow))
                while True:
                    step = await performance.advance(flow, step)
            except _Finished as end:
                result: Result = end.value
                return result
            finally:
                flow.close()

    async def iterate(self, stream: Stream[Item]) -> AsyncGenerator[Item]:
        """Carry a flow out as far as its items are asked for."""
        async with _Performance(self) as performance:
            try:
                step = _told(lambda: next(stream))
                while True:
                    if isinstance(step, Emit):
                        yield step.item
                        step = _told(lambda: next(stream))
                    else:
                        step = await performance.advance(stream, step)
            except _Finished:
                return
            finally:
                stream.close()


class _Finished(Exception):  # noqa: N818 - an event, not a fault
    """A flow has ended. A coroutine must not let StopIteration through."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def _told(tell: Callable[[], Any]) -> Any:
    """The flow's next step; _Finished where there is none."""
    try:
        return tell()
    except StopIteration as end:
        raise _Finished(end.value) from None


class _Performance:
    """The carrying out of one flow: it owns the answer that the flow has open."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._open: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def advance(self, flow: Any, step: Step) -> Any:
        """Do one step and tell the flow what came of it; its next step."""
        try:
            outcome = await self._perform(step)
        except Exception as error:
            return _told(partial(flow.throw, error))
        return _told(partial(flow.send, outcome))

    async def _perform(self, step: Step) -> Any:
        match step:
            case Send(request):
                return await self._send(request)
            case Open(request):
                return await self._open_answer(request)
            case Read():
                return await self._read()
            case Pause(seconds):
                return await anyio.sleep(seconds)
            case Work(call):
                return await anyio.to_thread.run_sync(call)
            case AskTerms():
                return self._session.terms

    async def _send(self, request: Request) -> Reply:
        try:
            return reply_of(await self._session.http.send(self._built(request)))
        except HTTP_ERRORS as error:
            raise self._named(error) from error

    async def _open_answer(self, request: Request) -> Reply:
        await self._close()
        try:
            response = await self._session.http.send(self._built(request), stream=True)
            self._open = response
            if not response.is_success:
                await response.aread()
                return reply_of(response)
        except HTTP_ERRORS as error:
            raise self._named(error) from error
        self._chunks = response.aiter_bytes()
        return reply_of(response, whole=False)

    async def _read(self) -> bytes | None:
        if self._chunks is None:
            return None
        try:
            return await anext(self._chunks, None)
        except HTTP_ERRORS as error:
            raise self._named(error) from error

    def _built(self, request: Request) -> httpx.Request:
        return self._session.http.build_request(**request_arguments(request, self._session.terms))

    def _named(self, error: Exception) -> LTForgeError:
        return translated(error, self._session.http.base_url)

    async def _close(self) -> None:
        if self._open is not None:
            await self._open.aclose()
        self._open, self._chunks = None, None


class AsyncListing(Generic[Record]):
    """The records of a list, fetched page by page while you iterate; every time afresh."""

    def __init__(self, start: Callable[[], AsyncGenerator[Record]]) -> None:
        self._start = start

    def __aiter__(self) -> AsyncGenerator[Record]:
        return self._start()

    async def first(self, count: int) -> Rows[Record]:
        """The first records."""
        found: Rows[Record] = Rows()
        if count < 1:
            return found
        async with aclosing(self._start()) as records:
            async for record in records:
                found.append(record)
                if len(found) == count:
                    break
        return found


class AsyncAgain(Generic[Arguments]):
    """A method whose result is the same kind of record as the one it is called on."""

    def __init__(self, flow: Callable[Concatenate[Any, Arguments], Flow[Any]]) -> None:
        self._method: Method[Arguments, Any] = Method(flow, _run_again, own=True)
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: Item, owner: type[Item]) -> Callable[Arguments, Awaited[Item]]: ...

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else self._method.__get__(instance, owner)


async def _run_again(instance: Any, start: Callable[[], Flow[Any]]) -> Any:
    return bind(type(instance), await instance._session.run(start()), instance._session)


@overload
def call(flow: Callable[Arguments, Flow[Result]]) -> Method[Arguments, Awaited[Result]]: ...


@overload
def call(
    flow: Callable[Arguments, Flow[Any]], kind: type[Result]
) -> Method[Arguments, Awaited[Result]]: ...


def call(flow: Callable[..., Flow[Any]], kind: type[Any] | None = None) -> Method[..., Any]:
    """A client's method that carries a flow out; its record comes as ``kind``, able to act."""

    async def carry(instance: Any, start: Callable[[], Flow[Any]]) -> Any:
        result = await instance._session.run(start())
        return result if kind is None else bind(kind, result, instance._session)

    return Method(flow, carry)


def own_call(
    flow: Callable[Concatenate[Any, Arguments], Flow[Result]],
) -> Method[Arguments, Awaited[Result]]:
    """A record's method that carries a flow out with the record as its first argument."""
    return Method(flow, lambda record, start: record._session.run(start()), own=True)


def listing(
    flow: Callable[Arguments, Stream[Any]], kind: type[Record]
) -> Method[Arguments, AsyncListing[Record]]:
    """A client's method whose result is a list, its records of ``kind``."""

    def carry(instance: Any, start: Callable[[], Stream[Any]]) -> AsyncListing[Record]:
        session: AsyncSession = instance._session
        acting = "_session" in getattr(kind, "__dataclass_fields__", {})

        async def records() -> AsyncGenerator[Record]:
            async with aclosing(session.iterate(start())) as found:
                async for record in found:
                    yield bind(kind, record, session) if acting else record

        return AsyncListing(records)

    return Method(flow, carry)


def iteration(
    flow: Callable[Arguments, Stream[Item]],
) -> Method[Arguments, AsyncGenerator[Item]]:
    """A client's method that hands out items as they come."""
    return Method(flow, lambda instance, start: instance._session.iterate(start()))


def own_iteration(
    flow: Callable[Concatenate[Any, Arguments], Stream[Item]],
) -> Method[Arguments, AsyncGenerator[Item]]:
    """A record's method that hands out items as they come."""
    return Method(flow, lambda record, start: record._session.iterate(start()), own=True)
