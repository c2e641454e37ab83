"""What routes ask for by type: the service's parts, the caller, a page's place, a sane id."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event
from typing import Annotated

from fastapi import Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from structlog.contextvars import bind_contextvars

from service.api.cursors import Cursors
from service.api.job_watch import JobWatch
from service.api.key_ring import KeyRing
from service.api.rate_limits import RateLimiter
from service.domain import ApiKey, KeyScope
from service.errors import NotAuthenticated, NotFound
from service.identifiers import is_id
from service.settings import Settings
from service.store import Store
from service.store.actors import Actor, act_as
from service.store.blobs import BlobStore
from service.tracing import traceparent

DEFAULT_PAGE = 50
LARGEST_PAGE = 200
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

bearer = HTTPBearer(
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
    keys: KeyRing
    rates: RateLimiter
    watch: JobWatch
    started: Event = field(default_factory=Event)


async def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(_parts)]


async def identify(
    request: Request,
    parts: PartsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> ApiKey:
    """The key the request came with; the scope it needs follows from the method."""
    if credentials is None:
        raise NotAuthenticated("Send an API key as 'Authorization: Bearer ltf_...'.")
    text = credentials.credentials
    key = parts.keys.recall(text) or await run_in_threadpool(parts.keys.look_up, text)
    if key is None:
        raise NotAuthenticated("The API key is unknown or was revoked; ask for a new one.")
    await admit(request, parts, key)
    key.check(KeyScope.READ if request.method in _SAFE_METHODS else KeyScope.WRITE)
    return key


async def admit(request: Request, parts: Parts, key: ApiKey) -> None:
    """Let a key's request in: known to the logs, counted; raises RateLimited.

    The access log learns the key's id, never its text.
    """
    request.state.tenant_id, request.state.key_id = key.tenant_id, key.id
    bind_contextvars(tenant_id=key.tenant_id, key_id=key.id)
    act_as(Actor(key.id, request.state.request_id, traceparent()))
    request.state.rate = await parts.rates.count(key.tenant_id)
    request.state.rate.check()


Caller = Annotated[ApiKey, Depends(identify)]


async def _administrator(caller: Caller) -> ApiKey:
    caller.check(KeyScope.ADMIN)
    return caller


Administrator = Annotated[ApiKey, Depends(_administrator)]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for."""

    limit: int
    cursor: str | None


async def _page_request(
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


async def _checkpoint_id(checkpoint_id: Annotated[str, Path()]) -> str:
    return checked_id("checkpoint", checkpoint_id)


async def _dataset_id(dataset_id: Annotated[str, Path()]) -> str:
    return checked_id("dataset", dataset_id)


async def _upload_id(upload_id: Annotated[str, Path()]) -> str:
    return checked_id("upload", upload_id)


async def _batch_id(batch_id: Annotated[str, Path()]) -> str:
    return checked_id("batch", batch_id)


async def _job_id(job_id: Annotated[str, Path()]) -> str:
    return checked_id("job", job_id)


async def _ticket_id(ticket_id: Annotated[str, Path()]) -> str:
    return checked_id("ticket", ticket_id)


async def _api_key_id(key_id: Annotated[str, Path()]) -> str:
    return checked_id("API key", key_id)


async def _endpoint_id(endpoint_id: Annotated[str, Path()]) -> str:
    return checked_id("webhook endpoint", endpoint_id)


async def _delivery_id(delivery_id: Annotated[str, Path()]) -> str:
    return checked_id("webhook delivery", delivery_id)


CheckpointId = Annotated[str, Depends(_checkpoint_id)]
DatasetId = Annotated[str, Depends(_dataset_id)]
UploadId = Annotated[str, Depends(_upload_id)]
BatchId = Annotated[str, Depends(_batch_id)]
JobId = Annotated[str, Depends(_job_id)]
TicketId = Annotated[str, Depends(_ticket_id)]
ApiKeyId = Annotated[str, Depends(_api_key_id)]
WebhookEndpointId = Annotated[str, Depends(_endpoint_id)]
WebhookDeliveryId = Annotated[str, Depends(_delivery_id)]
