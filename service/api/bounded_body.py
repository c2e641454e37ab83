"""Small bodies, read completely: as far as a limit."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from service.errors import PayloadTooLarge

LARGEST_DOCUMENT = 1 << 20
"""A job's document has some kilobytes; more is an error or an attack."""


async def read_bounded(request: Request, limit: int = LARGEST_DOCUMENT) -> Request:
    """The same request with its body in memory; raises PayloadTooLarge."""
    announced = request.headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise PayloadTooLarge(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise PayloadTooLarge(limit)

    async def replay() -> Message:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return Request(request.scope, replay)


class BoundedRoute(APIRoute):
    """A route whose JSON body is read up to a limit: the framework would read any amount."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, given a request that is read already."""
        handle = super().get_route_handler()

        async def read_then_handle(request: Request) -> Response:
            return await handle(await read_bounded(request))

        return read_then_handle
