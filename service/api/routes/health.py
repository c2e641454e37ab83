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
    """Asks the database, and whether its schema is the one this version expects."""
    reasons = reasons_not_ready(parts.store)
    if not reasons:
        return Health(status="ready", reasons=[])
    response.status_code = 503
    return Health(status="not_ready", reasons=reasons)
