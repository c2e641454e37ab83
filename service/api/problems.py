"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, TypeAlias

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from service.api import refusals
from service.api.problem_types import (
    FRAMEWORK_TYPES,
    INTERNAL_ERROR,
    ProblemType,
    code_of,
    problem_type_of,
)
from service.api.validation import describe_validation_error
from service.errors import InvalidRequest, QuotaExceeded, RateLimited, ServiceError

MEDIA_TYPE = "application/problem+json"

_log = structlog.get_logger("service.api.problems")

Items: TypeAlias = Sequence[Mapping[str, str]]


def problem_response(
    request_id: str,
    kind: ProblemType,
    code: str,
    detail: str,
    *,
    errors: Items = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A problem document. ASCII only, so that hostile text in `detail` cannot break it."""
    document: dict[str, Any] = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    if errors:
        document["errors"] = [dict(item) for item in errors]
    return Response(
        json.dumps(document),
        kind.status,
        headers={**kind.headers, **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def service_error_response(request_id: str, error: ServiceError) -> Response:
    """An expected failure as a problem document."""
    kind = problem_type_of(error)
    detail = error.detail
    if kind.status >= 500:
        # The database's own words name hosts and roles: they are for the log alone.
        _log.error("service_failed", request_id=request_id, code=error.code, detail=detail)
        detail = kind.meaning
    items: Items = error.problems if isinstance(error, InvalidRequest) else ()
    headers = _headers_of(error)
    return problem_response(request_id, kind, error.code, detail, errors=items, headers=headers)


def _headers_of(error: ServiceError) -> Mapping[str, str]:
    """What the answer says beside the problem's document."""
    match error:
        case RateLimited() | QuotaExceeded():
            return {"Retry-After": str(error.retry_after)}
        case refusals.RangeNotSatisfiable():
            return error.headers
    return {}


def internal_error_response(request_id: str) -> Response:
    """An unexpected failure: says nothing about its cause."""
    detail = "The service failed on this request; report the request_id if it happens again."
    return problem_response(request_id, INTERNAL_ERROR, code_of(INTERNAL_ERROR), detail)


def install_problem_handlers(application: FastAPI) -> None:
    """Make every refusal of the application a problem document."""
    application.add_exception_handler(ServiceError, _on_service_error)
    application.add_exception_handler(RequestValidationError, _on_validation_error)
    application.add_exception_handler(HTTPException, _on_framework_error)


async def _on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return service_error_response(request.state.request_id, error)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return service_error_response(request.state.request_id, describe_validation_error(error))


async def _on_framework_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    default = ProblemType(status, status.name.lower().replace("_", "-"), status.phrase, "")
    kind = FRAMEWORK_TYPES.get(error.status_code, default)
    detail = kind.meaning or str(error.detail)
    headers = dict(error.headers or {})
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(_allowed_methods(request))
    request_id = request.state.request_id
    return problem_response(request_id, kind, code_of(kind), detail, headers=headers)


def _allowed_methods(request: Request) -> list[str]:
    """All methods of the request's path; the framework names those of its first route alone."""
    return [
        method
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.router.routes
        )
    ]
