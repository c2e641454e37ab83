"""Files in pieces, by the tus protocol (https://tus.io/protocols): they survive broken connections.

``upload_checkpoint`` and ``upload_dataset`` do all of this by themselves for files of some size.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from ltforge.calls import Identified, address, attempt, delete, get, post
from ltforge.errors import LTForgeError, ResponseError
from ltforge.exchange import Flow, Request, document_of, pause, send, terms, work
from ltforge.patience import Patience
from ltforge.records import read_record
from ltforge.resources import ResumableUpload, UploadRecord, UploadRules

_Result = TypeVar("_Result")

UPLOADS = "/v1/uploads"
PIECE_BYTES = 4 << 20
_TUS = {"Tus-Resumable": "1.0.0"}
_GO_ON = frozenset({"UPLOAD_OFFSET_MISMATCH", "UPLOAD_LOCKED", "CHECKSUM_MISMATCH"})
"""Refusals after which the service is asked where to go on."""

SentCallback = Callable[[int, int], None]
"""Called with (bytes sent, bytes in all) while an upload runs."""


def describe_uploads() -> Flow[UploadRules]:
    """What the service's upload protocol offers."""
    headers = (yield from attempt(Request("OPTIONS", UPLOADS))).headers
    largest = headers.get("Tus-Max-Size")
    return UploadRules(
        versions=_listed(headers.get("Tus-Version")),
        extensions=_listed(headers.get("Tus-Extension")),
        checksums=_listed(headers.get("Tus-Checksum-Algorithm")),
        largest_bytes=None if largest is None else int(largest),
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(item.strip() for item in (text or "").split(",") if item.strip())


def create_upload(kind: str, length: int, name: str) -> Flow[ResumableUpload]:
    """Begin an upload of so many bytes. ``kind``: checkpoint or dataset.

    Sent again after a lost answer: an upload that nobody goes on with is forgotten after a day.
    """
    said = {"kind": kind, "name": name}
    metadata = ",".join(f"{field} {_base64(value.encode())}" for field, value in said.items())
    headers = {**_TUS, "Upload-Length": str(length), "Upload-Metadata": metadata}
    reply = yield from attempt(Request("POST", UPLOADS, headers=headers))
    return read_record(ResumableUpload, document_of(reply))


def head_upload(upload: Identified | str) -> Flow[int]:
    """The bytes of an upload that are there: where its next piece begins."""
    reply = yield from attempt(Request("HEAD", address(UPLOADS, upload), headers=_TUS))
    return int(reply.headers["Upload-Offset"])


def get_upload(upload: Identified | str) -> Flow[ResumableUpload]:
    """A resumable upload as it is now, and what it became."""
    return (yield from get(ResumableUpload, address(UPLOADS, upload)))


def append_to_upload(upload: Identified | str, offset: int, piece: bytes) -> Flow[int]:
    """Send the bytes from ``offset`` on, which are kept whole or not at all; the next offset.

    Not repeated by itself: after a failure, ``head_upload`` says where to go on.
    """
    headers = {
        **_TUS,
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": str(offset),
        "Upload-Checksum": f"sha256 {_base64(hashlib.sha256(piece).digest())}",
    }
    request = Request("PATCH", address(UPLOADS, upload), headers=headers, content=piece)
    return int((yield from send(request)).headers["Upload-Offset"])


def delete_upload(upload: Identified | str) -> Flow[None]:
    """Forget an upload and its bytes; what it became stays."""
    yield from delete(address(UPLOADS, upload), _TUS)


def finalize_upload(upload: Identified | str) -> Flow[UploadRecord]:
    """Make the checkpoint or data set of a whole upload; once more, it is the same one."""
    return (yield from post(UploadRecord, address(UPLOADS, upload, "finalize")))


def send_in_pieces(
    kind: str, path: Path, name: str, on_progress: SentCallback | None
) -> Flow[UploadRecord]:
    """Send a file in pieces; after a failure it goes on where the service has got to.

    Raises:
        NoAnswerError: the service stayed away for as long as the session's ``retries.patience``.
        LTForgeError: the file became shorter while it was sent.
    """
    length = path.stat().st_size
    patience = Patience((yield from terms()))
    upload = yield from _patiently(patience, lambda: create_upload(kind, length, name))
    offset = 0
    while offset < length:
        piece = yield from work(partial(_piece, path, offset))
        offset = yield from _advance(patience, upload, offset, piece)
        if on_progress is not None:
            on_progress(offset, length)
    return (yield from _patiently(patience, lambda: finalize_upload(upload)))


def _advance(patience: Patience, upload: ResumableUpload, offset: int, piece: bytes) -> Flow[int]:
    """The offset after sending a piece, or after asking where to go on."""
    try:
        reached = yield from append_to_upload(upload, offset, piece)
    except LTForgeError as error:
        go_on = isinstance(error, ResponseError) and error.code in _GO_ON
        yield from pause(patience.pause(error, resumable=go_on))
        reached = yield from _patiently(patience, lambda: head_upload(upload))
    if reached > offset:
        patience.renew()
    return reached


def _patiently(patience: Patience, start: Callable[[], Flow[_Result]]) -> Flow[_Result]:
    """The result of a flow that is started again until it succeeds or patience ends."""
    while True:
        try:
            return (yield from start())
        except LTForgeError as error:
            seconds = patience.pause(error)
        yield from pause(seconds)


def _piece(path: Path, begin: int) -> bytes:
    with path.open("rb") as file:
        file.seek(begin)
        piece = file.read(PIECE_BYTES)
    if not piece:
        raise LTForgeError(
            "FILE_CHANGED", f"{path} became shorter while it was sent; upload it again"
        )
    return piece


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
