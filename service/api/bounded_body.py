"""Small bodies, read completely: as far as a limit, and only where they mean one thing."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from service.errors import InvalidRequest, PayloadTooLarge

LARGEST_DOCUMENT = 1 << 20
"""A job's document has some kilobytes; more is an error or an attack."""


async def read_bounded(request: Request, limit: int = LARGEST_DOCUMENT) -> Request:
    """The same request with its body in memory; raises PayloadTooLarge."""
    announced = request.headers.get("Content-Length", "0")
    if announced == "0" and "Transfer-Encoding" not in request.headers:
        return request  # as most reads have it: nothing to read, and nothing to look into
    if announced.isdecimal() and int(announced) > limit:
        raise PayloadTooLarge(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise PayloadTooLarge(limit)

    refuse_ambiguous(bytes(body))

    async def replay() -> Message:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return Request(request.scope, replay)


def refuse_ambiguous(body: bytes) -> None:
    """Raise InvalidRequest for JSON that names a field twice: readers differ in which they take.

    What is no JSON is left to the framework, which says so.
    """
    try:
        json.loads(body, object_pairs_hook=_unique)
    except RecursionError:
        problem = {"pointer": "", "code": "TOO_DEEP", "detail": "the document is nested too deep"}
        raise InvalidRequest(problem["detail"], [problem], code="TOO_DEEP") from None
    except ValueError:
        return


def _unique(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            detail = f"the field {name[:60]!a} is given twice in one object"
            problem = {"pointer": "", "code": "DUPLICATE_KEY", "detail": detail}
            raise InvalidRequest(detail, [problem], code="DUPLICATE_KEY")
        seen.add(name)


class BoundedRoute(APIRoute):
    """A route whose JSON body is read up to a limit: the framework would read any amount."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, given a request that is read already."""
        handle = super().get_route_handler()

        async def read_then_handle(request: Request) -> Response:
            return await handle(await read_bounded(request))

        return read_then_handle
