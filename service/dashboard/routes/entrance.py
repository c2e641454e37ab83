"""Signing in with an API key, and out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from service.api.deps import PartsDep
from service.dashboard.pages import PageRoute, go_to, page
from service.dashboard.sessions import LIFETIME_SECONDS, Session
from service.dashboard.visitors import Signer, cookie_name, refuse_foreign
from service.usecases.sessions import open_session

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_UNKNOWN = "This key is unknown, was revoked, or has expired. Check it, or ask for another."


@router.get("/sign-in")
def show_form(request: Request, following: Annotated[str, Query(alias="next")] = "/") -> Response:
    """The form that asks for a key."""
    return page(request, "sign_in.html", following=_own_path(following), fault=None)


@router.post("/sign-in")
async def sign_in(
    request: Request,
    parts: PartsDep,
    signer: Signer,
    key: Annotated[str, Form(max_length=300)] = "",
    following: Annotated[str, Form(alias="next")] = "/",
) -> Response:
    """Begin a session; the same page again where the key opens nothing."""
    refuse_foreign(request)
    following = _own_path(following)
    opened = await run_in_threadpool(open_session, parts.store, key.strip())
    if opened is None:
        return page(request, "sign_in.html", status=401, following=following, fault=_UNKNOWN)
    answer = go_to(request, following)
    answer.set_cookie(
        cookie_name(request),
        signer.write(Session.begin(opened.key.id, opened.proof)),
        max_age=LIFETIME_SECONDS,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Forget the session; harmless to those who have none."""
    refuse_foreign(request)
    answer = go_to(request, "/sign-in")
    answer.delete_cookie(cookie_name(request), path="/", httponly=True, samesite="strict")
    return answer


def _own_path(text: str) -> str:
    """A path of this dashboard; the first page for anything else, so that nobody is led away."""
    parts = urlsplit(text)
    ours = text.startswith("/") and not text.startswith(("//", "/\\"))
    ours = ours and not parts.scheme and not parts.netloc and text.isprintable()
    return text if ours else "/"
