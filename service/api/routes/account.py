"""The account: who is asking, and what was done in its name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.api.deps import Administrator, Caller, PageDep, PartsDep
from service.api.refusals import InvalidCursor
from service.api.responses import body, problems
from service.api.routes.pages import send_page
from service.api.schemas import (
    AccountResource,
    ApiKeyResource,
    AuditEntryResource,
    PageOf,
    TenantResource,
    UsageResource,
)
from service.api.schemas.moments import Day
from service.domain import AuditEntry
from service.errors import InvalidRequest
from service.usecases.keys import get_tenant, list_audit_entries
from service.usecases.pages import Page
from service.usecases.usage import read_usage

router = APIRouter(prefix="/v1", tags=["account"])

_IDENTIFIER = r"^[a-z]{3}_[0-9a-z]{26}$"


@router.get(
    "/me",
    operation_id="get_account",
    summary="Who am I?",
    responses={200: body("The tenant and the key of this request."), **problems()},
)
def get_account(caller: Caller, parts: PartsDep) -> AccountResource:
    """The tenant and the key with which this request came."""
    tenant = get_tenant(parts.store, caller.tenant_id)
    return AccountResource(tenant=TenantResource.of(tenant), key=ApiKeyResource.of(caller))


@router.get(
    "/audit-log",
    operation_id="list_audit_log",
    summary="List who did what",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_audit_log(
    caller: Administrator,
    parts: PartsDep,
    asked: PageDep,
    subject_id: Annotated[
        str | None, Query(pattern=_IDENTIFIER, description="only changes of this resource")
    ] = None,
    key_id: Annotated[
        str | None, Query(pattern=_IDENTIFIER, description="only changes by this key")
    ] = None,
) -> PageOf[AuditEntryResource]:
    """Every change made with one of the tenant's keys, newest first; needs the scope admin."""

    def fetch(limit: int, after: str | None) -> Page[AuditEntry]:
        return list_audit_entries(parts.store, caller.tenant_id, limit, after, subject_id, key_id)

    scope = f"audit-log/{caller.tenant_id}/{subject_id}/{key_id}"
    return send_page(parts, scope, asked, fetch, AuditEntryResource.of)


@router.get(
    "/usage",
    operation_id="get_usage",
    summary="What was used, and what may be",
    responses={200: body("Usage by day and kind of job."), **problems(InvalidRequest)},
)
def get_usage(
    caller: Caller,
    parts: PartsDep,
    start: Annotated[Day | None, Query(description="first day, UTC; default: 30 days ago")] = None,
    end: Annotated[Day | None, Query(description="last day, UTC; default: today")] = None,
) -> UsageResource:
    """The tenant's limits, where it stands now, and its jobs by day of submission, up to a year."""
    used = read_usage(parts.store, caller.tenant_id, start, end)
    return UsageResource.of(used)
