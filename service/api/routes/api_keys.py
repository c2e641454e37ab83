"""API keys: who may come in."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Response

from service.api.bounded_body import BoundedRoute
from service.api.deps import Administrator, ApiKeyId, PageDep, PartsDep
from service.api.refusals import InvalidCursor
from service.api.responses import LOCATION, body, problems
from service.api.routes.pages import send_page
from service.api.schemas import (
    ApiKeyChange,
    ApiKeyRequest,
    ApiKeyResource,
    ApiKeyRotation,
    NewApiKeyResource,
    PageOf,
)
from service.errors import InvalidRequest, NotFound, PayloadTooLarge
from service.usecases.keys import (
    change_key,
    create_key,
    get_key,
    list_keys,
    revoke_key,
    rotate_key,
)

router = APIRouter(prefix="/v1/api-keys", tags=["api keys"], route_class=BoundedRoute)


@router.post(
    "",
    operation_id="create_api_key",
    summary="Make an API key",
    status_code=201,
    responses={
        201: body("The key, with its secret: the only time it is shown.", Location=LOCATION),
        **problems(InvalidRequest, PayloadTooLarge, unreadable_body=True),
    },
)
def create(
    response: Response, caller: Administrator, parts: PartsDep, asked: ApiKeyRequest
) -> NewApiKeyResource:
    """A new key of the same tenant; needs the scope admin."""
    made = create_key(parts.store, caller.tenant_id, asked.name, asked.scopes, asked.expires_at)
    response.headers["Location"] = f"/v1/api-keys/{made.key.id}"
    return NewApiKeyResource.revealing(made.key, made.text)


@router.get(
    "",
    operation_id="list_api_keys",
    summary="List API keys",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(caller: Administrator, parts: PartsDep, asked: PageDep) -> PageOf[ApiKeyResource]:
    """The tenant's keys, revoked ones included, newest first; needs the scope admin."""
    fetch = partial(list_keys, parts.store, caller.tenant_id)
    return send_page(parts, f"api-keys/{caller.tenant_id}", asked, fetch, ApiKeyResource.of)


@router.get(
    "/{key_id}",
    operation_id="get_api_key",
    summary="Get an API key",
    responses={200: body("The key, without its secret."), **problems(NotFound)},
)
def get(caller: Administrator, parts: PartsDep, key_id: ApiKeyId) -> ApiKeyResource:
    """One key: its scopes, its expiry, and when it was last used; needs the scope admin."""
    return ApiKeyResource.of(get_key(parts.store, caller.tenant_id, key_id))


@router.patch(
    "/{key_id}",
    operation_id="change_api_key",
    summary="Change an API key",
    responses={
        200: body("The key as it is now."),
        **problems(InvalidRequest, NotFound, PayloadTooLarge, unreadable_body=True),
    },
)
def change(
    caller: Administrator, parts: PartsDep, key_id: ApiKeyId, asked: ApiKeyChange
) -> ApiKeyResource:
    """Sets a key's name, scopes or expiry; needs the scope admin."""
    changes = asked.model_dump(exclude_unset=True)
    kept = {
        name: value for name, value in changes.items() if value is not None or name == "expires_at"
    }
    key = change_key(parts.store, caller.tenant_id, key_id, kept)
    parts.keys.forget()
    return ApiKeyResource.of(key)


@router.post(
    "/{key_id}/rotate",
    operation_id="rotate_api_key",
    summary="Rotate an API key",
    responses={
        200: body("The key with its new secret: the only time it is shown."),
        **problems(InvalidRequest, NotFound, PayloadTooLarge, unreadable_body=True),
    },
)
def rotate(
    caller: Administrator,
    parts: PartsDep,
    key_id: ApiKeyId,
    asked: ApiKeyRotation | None = None,
) -> NewApiKeyResource:
    """A new secret under the same id; the secret before stays valid for the grace period."""
    grace = (asked or ApiKeyRotation()).grace_seconds
    made = rotate_key(parts.store, caller.tenant_id, key_id, grace)
    parts.keys.forget()
    return NewApiKeyResource.revealing(made.key, made.text)


@router.delete(
    "/{key_id}",
    operation_id="revoke_api_key",
    summary="Revoke an API key",
    status_code=204,
    responses={204: body("The key opens nothing any more."), **problems(NotFound)},
)
def revoke(caller: Administrator, parts: PartsDep, key_id: ApiKeyId) -> None:
    """Ends a key for good; safe to repeat. The key stays listed, with `revoked_at`."""
    revoke_key(parts.store, caller.tenant_id, key_id)
    parts.keys.forget()
