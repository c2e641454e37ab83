"""What the contract says about responses: problems, headers and files."""

from __future__ import annotations

from typing import Any

from service.api.problem_types import (
    FRAMEWORK_TYPES,
    INTERNAL_ERROR,
    PROBLEM_TYPES,
    ProblemType,
    code_of,
)
from service.api.problems import MEDIA_TYPE
from service.api.refusals import (
    InvalidCursor,
    RangeNotSatisfiable,
    UnsupportedEncoding,
    UploadStalled,
)
from service.errors import (
    Conflict,
    EmptyUpload,
    EventsPruned,
    InvalidRequest,
    NotAuthenticated,
    NotFound,
    PayloadTooLarge,
    PlanFailed,
    PlanRefused,
    QuotaExceeded,
    RateLimited,
    ScopeMissing,
    ServiceError,
    StorageUnavailable,
    UploadRejected,
)

Responses = dict[int | str, dict[str, Any]]

COMPONENT = "x-component"
"""Names a response that many routes share; `contract_document` moves it to one place."""

REQUEST_ID: dict[str, Any] = {
    "description": "The request's id: the one sent, if it was sane, else a new one.",
    "schema": {"type": "string"},
}
EVERYWHERE: dict[str, Any] = {
    "X-Request-ID": REQUEST_ID,
    "RateLimit-Policy": {
        "description": 'Requests in a window of seconds, for the tenant: "default";q=60000;w=60',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "Requests left, about, and seconds until there are more; absent without a "
        'valid key: "default";r=59941;t=42',
        "schema": {"type": "string"},
    },
}
_TEXT = {"type": "string"}
LOCATION = {"description": "Path of the resource.", "schema": {"type": "string"}}
PREFERENCE_APPLIED = {
    "description": "What was applied of the request's Prefer header; absent without one.",
    "schema": {"type": "string"},
}
ETAG = {"description": "Strong: changes with every byte.", "schema": {"type": "string"}}
REPLAYED = {
    "description": "`true` where the request was made before under its Idempotency-Key.",
    "schema": {"type": "string"},
}
RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer"}}

DOWNLOAD_HEADERS: dict[str, Any] = {
    "ETag": {
        "description": 'Strong: "sha256-" and the SHA-256 of the file, in quotes.',
        "schema": {"type": "string"},
    },
    "Content-Length": {"description": "Bytes of the answer.", "schema": {"type": "integer"}},
    "Content-Disposition": {
        "description": "A file name made of the checkpoint's name.",
        "schema": {"type": "string"},
    },
    "Accept-Ranges": {"description": "bytes", "schema": {"type": "string"}},
    "Repr-Digest": {"description": "SHA-256 of the whole file (RFC 9530).", "schema": _TEXT},
}
_FILE_CONTENT = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}

_EXAMPLE_REQUEST_ID = "5f2b8c1d9e7a4f60b3c2d1e0f9a8b7c6"
_ORDINARY: tuple[type[ServiceError], ...] = (
    NotAuthenticated,
    ScopeMissing,
    RateLimited,
    QuotaExceeded,
    StorageUnavailable,
)


def problems(*errors: type[ServiceError], unreadable_body: bool = False) -> Responses:
    """Documents the given failures, and those that any authenticated route can have."""
    kinds: list[tuple[ProblemType, dict[str, Any]]] = [
        (PROBLEM_TYPES[error], _example(error)) for error in (*errors, *_ORDINARY)
    ]
    plain = [INTERNAL_ERROR, *([FRAMEWORK_TYPES[400]] if unreadable_body else [])]
    kinds += [(kind, _document(kind, code_of(kind), kind.meaning)) for kind in plain]
    statuses = sorted({kind.status for kind, _ in kinds})
    return {
        status: _response([(kind, example) for kind, example in kinds if kind.status == status])
        for status in statuses
    }


def body(description: str, **headers: Any) -> dict[str, Any]:
    """A successful response with its headers (underscores stand for hyphens)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"description": description, "headers": {**EVERYWHERE, **named}}


def downloads(description: str, *errors: type[ServiceError], head: bool = False) -> Responses:
    """Documents a download, its conditions and its ranges, and the failures it can have."""
    named = {**EVERYWHERE, **DOWNLOAD_HEADERS}
    whole = named | {
        "Content-Digest": {"description": "The same, of this answer.", "schema": _TEXT}
    }
    unchanged = {**EVERYWHERE, "ETag": DOWNLOAD_HEADERS["ETag"]}
    answers: Responses = {
        200: {"description": description, "headers": whole, "content": _FILE_CONTENT},
        304: {"description": "The file is one that If-None-Match names.", "headers": unchanged},
    }
    if not head:
        part = {"Content-Range": {"description": "Which part of it.", "schema": _TEXT}}
        answers[206] = {
            "description": "The range that was asked for.",
            "headers": named | part,
            "content": _FILE_CONTENT,
        }
    return {**answers, **problems(*errors)}


def _response(kinds: list[tuple[ProblemType, dict[str, Any]]]) -> dict[str, Any]:
    headers = {
        name: {"schema": {"type": "string"}, "example": value}
        for kind, _ in kinds
        for name, value in kind.headers.items()
    }
    names = [kind.slug.title().replace("-", "") for kind, _ in kinds]
    return {
        COMPONENT: "Or".join(names),
        "description": "\n\n".join(f"{kind.title}. {kind.meaning}" for kind, _ in kinds),
        "headers": {**EVERYWHERE, **headers},
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/ProblemDocument"},
                "examples": {kind.slug: {"value": example} for kind, example in kinds},
            }
        },
    }


def _example(error: type[ServiceError]) -> dict[str, Any]:
    kind = PROBLEM_TYPES[error]
    code = _CODES.get(error, error.code)
    document = _document(kind, code, _DETAILS.get(error, kind.meaning))
    if error is InvalidRequest:
        document["errors"] = [
            {"pointer": "/spec/tolerance/parameter", "code": "GREATER_THAN_EQUAL", "detail": _LOW}
        ]
    return document


def _document(kind: ProblemType, code: str, detail: str) -> dict[str, Any]:
    return {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": code,
        "request_id": _EXAMPLE_REQUEST_ID,
    }


_CODES: dict[type[ServiceError], str] = {
    UploadRejected: "CHECKPOINT_REJECTED",
    Conflict: "JOB_NOT_TERMINAL",
    PlanRefused: "INVALID_SPECIFICATION",
    PlanFailed: "RUNNER_DIED",
}
_LOW = "Input should be greater than or equal to 1e-06 (got 0)"
_DETAILS: dict[type[ServiceError], str] = {
    NotFound: "There is no job with the id 'job_01k2m3n4p5q6r7s8t9vawbxcyd'.",
    NotAuthenticated: "The API key is unknown or was revoked; ask for a new one.",
    ScopeMissing: "This request needs a key with the scope 'write'; an admin key can make one.",
    RateLimited: "More than 60000 requests in 60 seconds; wait 30 seconds.",
    QuotaExceeded: "The tenant may have 10000 queued jobs at a time, and that is used up; "
    "wait, or cancel some.",
    InvalidRequest: f"/spec/tolerance/parameter: {_LOW}",
    PayloadTooLarge: "The upload exceeds the limit of 2147483648 bytes.",
    EmptyUpload: "The request body is empty; send the file itself as the body.",
    RangeNotSatisfiable: "The file has 409909 bytes; ask for a range within them.",
    UnsupportedEncoding: "Send the file uncompressed, without Content-Encoding.",
    UploadStalled: "Too little or nothing arrived for 60 seconds; send the upload again.",
    InvalidCursor: "The cursor was not issued for this list and these filters; "
    "start again without a cursor.",
    Conflict: "The job is running; it can be submitted again once it is terminal.",
    EventsPruned: "The first event that is still kept is number 12; look at the job itself, then "
    "go on after 11.",
    PlanRefused: "/activation: the checkpoint does not name its activation; give one, for example "
    '{"name": "relu"}',
    UploadRejected: "The checkpoint 'ckp_01k2m3n4p5q6r7s8t9vawbxcyd' was rejected: tensor "
    "'fc1.weight' holds NaN at [0, 3] (NOT_FINITE)",
}
