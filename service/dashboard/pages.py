"""Pages: templates filled in, with the headers that every page has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import structlog
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ltengine import ENGINE_VERSION
from service.api.bounded_body import read_bounded
from service.api.problem_types import problem_type_of
from service.api.validation import describe_validation_error
from service.dashboard import wording
from service.dashboard.visitors import ForeignForm, SignedOut, Visitor
from service.errors import ServiceError

HERE = Path(__file__).parent
STATIC = HERE / "static"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cache-Control": "no-store",
    # With none at all, browsers would send the forms of our own pages as from the origin null.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@cache
def static_version() -> str:
    """Changes when any static file does, so that browsers may keep them for ever."""
    digest = hashlib.sha256()
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(wording.FILTERS)
    environment.globals.update(
        static=lambda name: f"/static/{name}?v={static_version()}",
        version=ENGINE_VERSION,
    )
    return environment


_TEMPLATES = _environment()

_log = structlog.get_logger("service.dashboard")


def page(
    request: Request,
    name: str,
    visitor: Visitor | None = None,
    /,
    *,
    status: int = 200,
    **values: Any,
) -> Response:
    """A template filled in with the values."""
    text = _TEMPLATES.get_template(name).render(path=request.url.path, visitor=visitor, **values)
    return HTMLResponse(text, status, headers=_HEADERS)


def go_to(request: Request, path: str, *, status: int = 303) -> Response:
    """Send the browser to another page, whether a form or a script asked."""
    if "HX-Request" in request.headers:
        return Response(status_code=204, headers={"HX-Redirect": path, **_HEADERS})
    return RedirectResponse(path, status, headers=_HEADERS)


def with_query(path: str, **fields: str | int | None) -> str:
    """The path with a query of the fields that have a value."""
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


class PageRoute(APIRoute):
    """A route whose refusals are pages, and whose small bodies are read up to a limit."""

    async def take(self, request: Request) -> Request:
        """The request as the route gets it."""
        return await read_bounded(request)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, with refusals shown to people."""
        handle = super().get_route_handler()

        async def show(request: Request) -> Response:
            try:
                return await handle(await self.take(request))
            except SignedOut:
                return _to_sign_in(request)
            except ForeignForm as refusal:
                return _refusal(request, 403, "FOREIGN_FORM", refusal.detail)
            except ServiceError as refusal:
                return show_refusal(request, refusal)
            except RequestValidationError as refusal:
                return show_refusal(request, describe_validation_error(refusal))

        return show


class StreamRoute(PageRoute):
    """A route that takes a file of any size, as it comes."""

    async def take(self, request: Request) -> Request:
        """The request itself."""
        return request


def show_refusal(request: Request, refusal: ServiceError) -> Response:
    """Says what went wrong, and what to do about it where that is known."""
    status = problem_type_of(refusal).status
    detail = refusal.detail
    if status >= 500:
        # The database's own words name hosts and roles: they are for the log alone.
        _log.error("page_failed", code=refusal.code, detail=detail)
        detail = "The service failed on this request; report the request's id if it happens again."
    return _refusal(request, status, refusal.code, detail)


def _refusal(request: Request, status: int, code: str, detail: str) -> Response:
    if request.headers.get("Accept") == "text/plain":
        return PlainTextResponse(detail, status, headers=_HEADERS)
    return page(
        request,
        "refusal.html",
        status=status,
        title=HTTPStatus(status).phrase,
        detail=detail,
        code=code,
        request_id=request.state.request_id,
    )


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("Accept") == "text/plain":
        detail = "The session is over. Sign in again, and repeat this."
        return PlainTextResponse(detail, 401, headers=_HEADERS)
    asked = _shown_page(request)
    back = f"?next={quote(asked)}" if asked != "/" else ""
    return go_to(request, f"/sign-in{back}")


def _shown_page(request: Request) -> str:
    """The page that the visitor looks at, which may be asking for a part of itself alone."""
    shown = urlsplit(request.headers.get("HX-Current-URL", ""))
    if shown.path:
        return shown.path + (f"?{shown.query}" if shown.query else "")
    if request.method != "GET":
        return "/"
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
