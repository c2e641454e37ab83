"""The tus protocol, version 1.0.0: its headers in and out (https://tus.io/protocols)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Coroutine
from email.utils import format_datetime
from typing import Annotated, Any, cast, get_args

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from service.api.problems import service_error_response
from service.api.refusals import LengthRequired, UnsupportedTusVersion, WrongMediaType
from service.api.schemas import Name
from service.api.validation import describe_validation_error
from service.domain import ResumableUpload, UploadKind
from service.errors import EmptyUpload, InvalidRequest, ServiceError
from service.usecases.digests import CHECKSUM_ALGORITHMS, AnnouncedChecksum
from service.usecases.resumable_uploads import Announcement

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,termination,expiration,checksum"
PIECE = "application/offset+octet-stream"
_LONGEST_METADATA = 4096
# A number with so many digits is no length of a file, and Python need not read it.
_NUMBER = re.compile(r"[0-9]{1,18}")
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class TusRoute(APIRoute):
    """A route whose every answer, refusals included, says which version is spoken."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, with the header on what it answers."""
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except ServiceError as error:
                response = service_error_response(request.state.request_id, error)
            except RequestValidationError as error:
                refusal = describe_validation_error(error)
                response = service_error_response(request.state.request_id, refusal)
            response.headers["Tus-Resumable"] = VERSION
            return response

        return answer


async def _check_version(request: Request) -> None:
    if request.headers.get("Tus-Resumable") != VERSION:
        raise UnsupportedTusVersion


SpeaksTus = Annotated[None, Depends(_check_version)]
"""Asked for by the requests that the protocol defines, after the caller."""


def capabilities(largest: int) -> dict[str, str]:
    """What is spoken here, for OPTIONS."""
    return {
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Max-Size": str(largest),
        "Tus-Checksum-Algorithm": ",".join(CHECKSUM_ALGORITHMS),
    }


def progress(upload: ResumableUpload) -> dict[str, str]:
    """How far an upload is, and until when it is kept."""
    expires = format_datetime(upload.expires_at, usegmt=True)
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": expires}


def read_announcement(request: Request) -> Announcement:
    """The file that is to come; raises InvalidRequest, EmptyUpload."""
    length = _number(request, "Upload-Length")
    if length == 0:
        raise EmptyUpload("Upload-Length is 0; a file has at least one byte.")
    text = request.headers.get("Upload-Metadata", "")
    metadata = _read_metadata(text)
    if metadata.get("kind") not in get_args(UploadKind):
        raise _refusal(
            "Upload-Metadata", "'kind' must be 'checkpoint' or 'dataset', encoded as base64"
        )
    kind = cast("UploadKind", metadata["kind"])
    name = metadata.get("name") or metadata.get("filename") or kind
    try:
        name = _NAME.validate_python(name)
    except ValidationError as error:
        raise _refusal("Upload-Metadata", f"'name': {error.errors()[0]['msg']}") from None
    return Announcement(kind, name, text, length)


def read_offset(request: Request) -> int:
    """Where a piece begins; raises InvalidRequest."""
    return _number(request, "Upload-Offset")


def read_checksum(request: Request) -> AnnouncedChecksum | None:
    """What a piece's bytes are to be compared with; raises InvalidDigest."""
    header = request.headers.get("Upload-Checksum")
    return None if header is None else AnnouncedChecksum.parse(header)


def piece_length(request: Request) -> int | None:
    """Bytes of the piece, if the request says so; raises WrongMediaType, LengthRequired."""
    given = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if given != PIECE:
        raise WrongMediaType(PIECE)
    announced = request.headers.get("Content-Length")
    if announced is None and "Transfer-Encoding" not in request.headers:
        raise LengthRequired(
            "The request has no body; send the piece with a Content-Length or in chunks."
        )
    return None if announced is None else int(announced)


def brings_a_piece(request: Request) -> bool:
    """Whether a request that begins an upload has its first bytes with it."""
    announced = request.headers.get("Content-Length", "0")
    return announced != "0" or "Transfer-Encoding" in request.headers


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "").strip()
    if not _NUMBER.fullmatch(text):
        raise _refusal(header, "it must be a whole number of bytes, in decimal digits")
    return int(text)


def _read_metadata(text: str) -> dict[str, str]:
    """Pairs of a key and a value in base64, separated by commas."""
    if len(text) > _LONGEST_METADATA:
        raise _refusal("Upload-Metadata", f"it must have at most {_LONGEST_METADATA} characters")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = pair.partition(" ")
        try:
            decoded = base64.b64decode(value.strip().encode("ascii"), validate=True).decode()
        except (UnicodeError, binascii.Error):
            raise _refusal(
                "Upload-Metadata", f"the value of {key[:60]!a} is not base64 of UTF-8 text"
            ) from None
        if key in found:
            raise _refusal("Upload-Metadata", f"the key {key[:60]!a} is given twice")
        found[key] = decoded
    return found


def _refusal(header: str, detail: str) -> InvalidRequest:
    item = {"parameter": header.lower(), "code": "INVALID_HEADER", "detail": detail}
    return InvalidRequest(f"{header}: {detail}", [item])
