"""What the two kinds of uploads share: the body in the contract, and the answer's headers."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Query, Response

from service.api.refusals import LengthRequired, UnsupportedEncoding, UploadStalled
from service.api.responses import LOCATION, RETRY_AFTER, Responses, body, problems
from service.api.schemas import Name
from service.errors import (
    DigestMismatch,
    EmptyUpload,
    InvalidDigest,
    InvalidRequest,
    PayloadTooLarge,
    StorageFull,
    StorageQuotaExceeded,
)

# Validation takes a second or two; asking sooner tells nothing.
VALIDATION_RETRY_SECONDS = 1

UploadName = Annotated[
    Name,
    Query(description="a name for people; metadata only, so any text without control characters"),
]


ContentDigest = Annotated[
    str | None,
    Header(
        alias="Content-Digest",
        description="`sha-256=:BASE64:` or `sha-512=:BASE64:` of the file (RFC 9530); compared "
        "with what arrives, so that damage on the way is found",
    ),
]


def raw_body(description: str) -> dict[str, Any]:
    """The contract's description of a body that is the file itself."""
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": True, "description": description, "content": content}}


def upload_responses(noun: str, model: type) -> Responses:
    """What an upload can be answered with."""
    headers = {"Location": LOCATION, "Retry_After": RETRY_AFTER}
    known = f"The tenant has a {noun} with these bytes already; this is it."
    return {
        200: {"model": model, **body(known, Location=LOCATION)},
        202: body(f"The {noun} is stored and waits for validation.", **headers),
        **problems(
            DigestMismatch,
            EmptyUpload,
            InvalidDigest,
            InvalidRequest,
            LengthRequired,
            PayloadTooLarge,
            StorageFull,
            StorageQuotaExceeded,
            UnsupportedEncoding,
            UploadStalled,
        ),
    }


def announce_upload(response: Response, path: str, *, created: bool) -> None:
    """Status and headers of an upload's answer."""
    response.headers["Location"] = path
    if created:
        response.headers["Retry-After"] = str(VALIDATION_RETRY_SECONDS)
    else:
        response.status_code = 200
