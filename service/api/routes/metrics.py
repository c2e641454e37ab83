"""Metrics for Prometheus: of the whole service for its operator, of a tenant for its admin."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials

from service.api.deps import PartsDep, bearer, identify
from service.api.exposition import MEDIA_TYPE, expose
from service.api.responses import body, problems
from service.domain import KeyScope
from service.usecases.metrics import count_everything

router = APIRouter(tags=["health"])


class _Exposition(Response):
    media_type = MEDIA_TYPE


@router.get(
    "/metrics",
    operation_id="get_service_metrics",
    summary="Metrics for Prometheus",
    response_class=_Exposition,
    responses={
        200: {
            **body("The metrics."),
            "content": {
                MEDIA_TYPE: {
                    "schema": {"type": "string"},
                    "example": 'ltforge_jobs{kind="construct",status="queued"} 3\n',
                }
            },
        },
        **problems(),
    },
)
async def get_metrics(
    request: Request,
    parts: PartsDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Response:
    """Counted in the database at every scrape, so any API process tells the same.

    With LTFORGE_METRICS_TOKEN as bearer token: the whole service. With an admin key: its tenant.
    """
    token = parts.settings.metrics_token.get_secret_value().encode()
    given = b"" if credentials is None else credentials.credentials.encode()
    tenant_id = None
    if not token or not hmac.compare_digest(token, given):
        caller = await identify(request, parts, credentials)
        caller.check(KeyScope.ADMIN)
        tenant_id = caller.tenant_id
    census = await run_in_threadpool(count_everything, parts.store, tenant_id)
    return _Exposition(expose(census))
