"""Who looks at the dashboard: read from the session's cookie at every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from service.api.deps import PartsDep, admit
from service.dashboard.sessions import Session, SessionSigner
from service.domain import ApiKey, KeyScope
from service.usecases.sessions import resume_session

TOKEN_FIELD = "form_token"  # noqa: S105 - a name
TOKEN_HEADER = "X-Form-Token"  # noqa: S105


class SignedOut(Exception):  # noqa: N818 - reads as the outcome it is
    """There is no session, or it is over: the sign-in page is where to go."""


class ForeignForm(Exception):  # noqa: N818
    """A form that no page of the session made."""

    detail = "The form is not one of this session's; open the page again and resend."


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a session: its key, and the token for the forms of its pages."""

    key: ApiKey
    form_token: str

    @property
    def tenant_id(self) -> str:
        """Whose things are shown."""
        return self.key.tenant_id

    @property
    def may_write(self) -> bool:
        """Whether forms that change something are shown."""
        return self.key.allows(KeyScope.WRITE)


def cookie_name(request: Request) -> str:
    """Over https the name itself forbids other hosts and plain http to set the cookie."""
    return "__Host-ltforge_session" if request.url.scheme == "https" else "ltforge_session"


def _signer(request: Request) -> SessionSigner:
    signer: SessionSigner = request.app.state.session_signer
    return signer


Signer = Annotated[SessionSigner, Depends(_signer)]


def _session(request: Request, signer: Signer) -> Session:
    session = signer.read(request.cookies.get(cookie_name(request), ""))
    if session is None:
        raise SignedOut
    return session


async def _visitor(
    request: Request,
    parts: PartsDep,
    signer: Signer,
    session: Annotated[Session, Depends(_session)],
) -> Visitor:
    """The visitor; counted against the tenant's rate like any caller of the API."""
    key = await run_in_threadpool(resume_session, parts.store, session.key_id, session.proof)
    if key is None:
        raise SignedOut  # revoked, rotated, or expired
    await admit(request, parts, key)
    key.check(KeyScope.READ)
    return Visitor(key, signer.form_token(session))


VisitorDep = Annotated[Visitor, Depends(_visitor)]


async def _form(
    request: Request,
    signer: Signer,
    session: Annotated[Session, Depends(_session)],
    visitor: VisitorDep,
) -> FormData:
    """The fields of a form that may change something."""
    form = await request.form(max_files=0)
    refuse_foreign(request)
    if not signer.is_form_token(session, str(form.get(TOKEN_FIELD, ""))):
        raise ForeignForm
    visitor.key.check(KeyScope.WRITE)
    return form


FormDep = Annotated[FormData, Depends(_form)]


async def _sender(
    request: Request,
    signer: Signer,
    session: Annotated[Session, Depends(_session)],
    visitor: VisitorDep,
) -> Visitor:
    """A visitor whose script sends a bare file; the token then lies in a header."""
    refuse_foreign(request)
    if not signer.is_form_token(session, request.headers.get(TOKEN_HEADER, "")):
        raise ForeignForm
    visitor.key.check(KeyScope.WRITE)
    return visitor


SenderDep = Annotated[Visitor, Depends(_sender)]


def refuse_foreign(request: Request) -> None:
    """Raise ForeignForm for what a page of another origin sends, as browsers say of themselves."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise ForeignForm
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("Host"):
        raise ForeignForm
