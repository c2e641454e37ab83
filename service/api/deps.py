"""What routes ask for by type: the service's parts, the caller, a page's place, a sane id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.api.cursors import Cursors
from service.domain import ApiKey
from service.errors import NotAuthenticated, NotFound
from service.identifiers import is_id
from service.settings import Settings
from service.store import Store
from service.store.blobs import BlobStore

DEFAULT_PAGE = 50
LARGEST_PAGE = 200

_bearer = HTTPBearer(
    auto_error=False,
    scheme_name="api_key",
    description="An API key, `ltf_...`. `ltforge serve` prints one when it first starts.",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application was built from."""

    settings: Settings
    store: Store
    blobs: BlobStore
    cursors: Cursors


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]


def _caller(
    request: Request,
    parts: PartsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> ApiKey:
    """The key the request came with. The access log learns its id, never its text."""
    if credentials is None:
        raise NotAuthenticated("Send an API key as 'Authorization: Bearer ltf_...'.")
    with parts.store.read() as tx:
        key = tx.keys.find(credentials.credentials)
    if key is None:
        raise NotAuthenticated("The API key is unknown or was revoked; ask for a new one.")
    request.state.tenant_id, request.state.key_id = key.tenant_id, key.id
    return key


Caller = Annotated[ApiKey, Depends(_caller)]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for."""

    limit: int
    cursor: str | None


def _page_request(
    limit: Annotated[
        int,
        Query(ge=1, description=f"items per page; more than {LARGEST_PAGE} means {LARGEST_PAGE}"),
    ] = DEFAULT_PAGE,
    cursor: Annotated[
        str | None,
        Query(max_length=256, description="`next_cursor` of the page before, with equal filters"),
    ] = None,
) -> PageRequest:
    return PageRequest(min(limit, LARGEST_PAGE), cursor)


PageDep = Annotated[PageRequest, Depends(_page_request)]


def checked_id(kind: str, text: str) -> str:
    """The id, if it could be one: databases differ in what else they take as text."""
    if not is_id(text):
        raise NotFound(kind, text)
    return text


def _checkpoint_id(checkpoint_id: Annotated[str, Path()]) -> str:
    return checked_id("checkpoint", checkpoint_id)


def _dataset_id(dataset_id: Annotated[str, Path()]) -> str:
    return checked_id("dataset", dataset_id)


def _job_id(job_id: Annotated[str, Path()]) -> str:
    return checked_id("job", job_id)


def _ticket_id(ticket_id: Annotated[str, Path()]) -> str:
    return checked_id("ticket", ticket_id)


CheckpointId = Annotated[str, Depends(_checkpoint_id)]
DatasetId = Annotated[str, Depends(_dataset_id)]
JobId = Annotated[str, Depends(_job_id)]
TicketId = Annotated[str, Depends(_ticket_id)]
