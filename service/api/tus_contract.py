"""What the contract says about the headers and bodies of the tus protocol."""

from __future__ import annotations

from typing import Any

from service.api.tus import EXTENSIONS, PIECE, VERSION
from service.usecases.digests import CHECKSUM_ALGORITHMS

_NUMBER = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}

RESUMABLE = {
    "Tus_Resumable": {"description": "The version of tus that is spoken.", "schema": _TEXT}
}
OFFSET = {"Upload_Offset": {"description": "Bytes that are there.", "schema": _NUMBER}}
UPLOAD_LENGTH = {"Upload_Length": {"description": "Bytes of the whole file.", "schema": _NUMBER}}
METADATA = {"Upload_Metadata": {"description": "As sent at the beginning.", "schema": _TEXT}}
EXPIRES = {
    "Upload_Expires": {"description": "Until when the upload is kept (HTTP date).", "schema": _TEXT}
}
CREATION = {
    "Tus_Version": {"description": VERSION, "schema": _TEXT},
    "Tus_Extension": {"description": EXTENSIONS, "schema": _TEXT},
    "Tus_Max_Size": {"description": "Bytes of the largest file.", "schema": _NUMBER},
    "Tus_Checksum_Algorithm": {"description": ",".join(CHECKSUM_ALGORITHMS), "schema": _TEXT},
}
PIECE_HEADERS = ("Upload-Checksum",)

_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_HEADERS: dict[str, dict[str, Any]] = {
    "Tus-Resumable": {
        "required": True,
        "description": "the version of tus that the client speaks",
        "schema": {"type": "string", "enum": [VERSION]},
        "example": VERSION,
    },
    "Upload-Length": {
        "required": True,
        "description": "bytes of the whole file",
        "schema": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
        "example": 1066840,
    },
    "Upload-Metadata": {
        "required": True,
        "description": "pairs of a key and a value in base64, separated by commas: `kind` is "
        "`checkpoint` or `dataset`, `name` (or `filename`) is for people; others are kept",
        "schema": {
            "type": "string",
            "pattern": "^kind (Y2hlY2twb2ludA==|ZGF0YXNldA==)$",
            "maxLength": 4096,
        },
        "example": "kind Y2hlY2twb2ludA==",
    },
    "Upload-Offset": {
        "required": True,
        "description": "where the piece begins: the Upload-Offset that HEAD answers",
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},
        "example": 0,
    },
    "Upload-Checksum": {
        "required": False,
        "description": "the algorithm and, in base64, the checksum of the body; a piece that "
        "differs is refused whole (460)",
        "schema": {
            "type": "string",
            "pattern": f"^({'|'.join(CHECKSUM_ALGORITHMS)}) {_BASE64}$",
        },
        "example": "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    },
}


def described_headers(*names: str) -> dict[str, Any]:
    """Request headers that the protocol defines, for `openapi_extra`."""
    return {"parameters": [{"name": name, "in": "header", **_HEADERS[name]} for name in names]}


def piece_body(description: str, *, required: bool) -> dict[str, Any]:
    """A body that is a piece of a file, for `openapi_extra`."""
    content = {PIECE: {"schema": {"type": "string", "format": "binary"}}}
    return {"requestBody": {"required": required, "description": description, "content": content}}
