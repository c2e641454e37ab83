"""What surrounds every request: its id, its line in the access log, and the last safety net."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from service.api.problems import internal_error_response

REQUEST_ID_HEADER = "X-Request-ID"
CLIENT_CLOSED_REQUEST = 499
"""Logged, never sent: the client went away before there was an answer."""

# Nothing here is a page to frame, a type to guess, or an address to tell others.
_SAFETY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_ALWAYS_HTTPS = "max-age=31536000; includeSubDomains"

# Hostile ids would forge log lines or headers; anything else a caller uses is taken as it is.
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:@=+/-]{1,128}")

_log = structlog.get_logger("service.api.access")


class RequestContext:
    """ASGI middleware: X-Request-ID in and out, one log line per request, 500 as a problem.

    Written against plain ASGI because a wrapping request object would buffer or break uploads.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        clear_contextvars()
        bind_contextvars(request_id=request_id)
        body = _Body(scope, receive)
        answer = _Answer(send, request_id, body, scope["state"], secure=scope["scheme"] == "https")
        began = time.perf_counter()
        try:
            await self._serve(scope, body.receive, answer)
        finally:
            _log.info("request", **_access_fields(scope, answer, time.perf_counter() - began))

    async def _serve(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            answer.status = CLIENT_CLOSED_REQUEST
        except Exception:
            _log.exception("request_failed", request_id=answer.request_id)
            if answer.status is not None:
                raise  # half an answer is out: only a broken connection tells the client so
            await internal_error_response(answer.request_id)(scope, receive, answer.send)


class _Body:
    """The request's body on its way in: knows whether some of it is still to come."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self.unread = "Transfer-Encoding" in headers or headers.get("Content-Length", "0") != "0"

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self.unread = False
        return message


class _Answer:
    """The response on its way out: adds the request id, and remembers status and size.

    An answer before the end of the body closes the connection: the server would otherwise read on
    to find the next request, gigabytes of a refused upload included.
    """

    def __init__(
        self,
        send: Send,
        request_id: str,
        body: _Body,
        state: Mapping[str, Any],
        *,
        secure: bool,
    ) -> None:
        self._send = send
        self._state = state
        self._secure = secure
        self._body = body
        self.request_id = request_id
        self.status: int | None = None
        self.bytes_sent = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers[REQUEST_ID_HEADER] = self.request_id
            for name, value in _SAFETY_HEADERS.items():
                headers.setdefault(name, value)
            if self._secure:
                headers["Strict-Transport-Security"] = _ALWAYS_HTTPS
            rate = self._state.get("rate")
            if rate is not None:
                headers.update(rate.headers())
            if self._body.unread:
                headers["Connection"] = "close"
        elif message["type"] == "http.response.body":
            self.bytes_sent += len(message.get("body", b""))
        await self._send(message)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _access_fields(scope: Scope, answer: _Answer, seconds: float) -> dict[str, object]:
    """Headers and the query string stay out: the first hold keys, the second what users name."""
    fields: dict[str, object] = {
        "request_id": answer.request_id,
        "method": scope["method"],
        "path": scope["path"],
        "status": answer.status,
        "seconds": round(seconds, 4),
        "bytes_sent": answer.bytes_sent,
    }
    state = scope["state"]
    for name in ("tenant_id", "key_id"):
        if name in state:
            fields[name] = state[name]
    return fields
