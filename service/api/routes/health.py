"""Probes: whether the process lives, and whether it can work."""

from __future__ import annotations

from fastapi import APIRouter, Response

from service.api.deps import PartsDep
from service.api.responses import body
from service.api.schemas import Health
from service.usecases.health import reasons_not_ready

router = APIRouter(tags=["health"])


@router.get(
    "/livez",
    operation_id="get_liveness",
    summary="Is the process alive?",
    responses={200: body("It is.")},
)
async def get_liveness() -> Health:
    """Answers as long as the process serves requests; depends on nothing else."""
    return Health(status="alive", reasons=[])


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Can the service work?",
    responses={
        200: body("It can."),
        503: {"model": Health, **body("It cannot, for the given reasons.")},
    },
)
def get_readiness(response: Response, parts: PartsDep) -> Health:
    """Asks the database, and whether its schema is as new as this version expects."""
    reasons = reasons_not_ready(parts.store)
    if not reasons:
        return Health(status="ready", reasons=[])
    response.status_code = 503
    return Health(status="not_ready", reasons=reasons)


@router.get(
    "/startupz",
    operation_id="get_startup",
    summary="Has the process started?",
    responses={
        200: body("It has."),
        503: {"model": Health, **body("It waits for what the reasons say.")},
    },
)
def get_startup(response: Response, parts: PartsDep) -> Health:
    """Like readiness until that first holds, then true: a later outage restarts nobody."""
    if not parts.started.is_set():
        reasons = reasons_not_ready(parts.store)
        if reasons:
            response.status_code = 503
            return Health(status="starting", reasons=reasons)
        parts.started.set()
    return Health(status="started", reasons=[])
