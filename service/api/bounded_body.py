"""Small bodies, read completely: as far as a limit."""

from __future__ import annotations

from fastapi import Request
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
