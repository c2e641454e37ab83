"""A ticket file onto disk: whole and equal to its announced digest, or not there at all."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from uuid import uuid4

import httpx

from ltforge.connection import Connection
from ltforge.errors import CorruptTransferError, LTForgeError

_ETAG = re.compile(r'(?:W/)?"sha256-([0-9a-f]{64})"')


def fetch_file(connection: Connection, source: str, destination: Path) -> Path:
    """Download ``source`` to ``destination``.

    The bytes go to a temporary file in the same folder, are hashed on the way, and take the final
    name only when they equal the digest in the ETag.

    Raises:
        CorruptTransferError: they do not; nothing is left behind.
    """

    def receive(response: httpx.Response) -> None:
        announced = _announced_digest(response)
        received = hashlib.sha256()
        with partial.open("wb") as file:
            for chunk in response.iter_bytes():
                received.update(chunk)
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        if received.hexdigest() != announced:
            raise CorruptTransferError(
                "DIGEST_MISMATCH",
                f"{source} arrived with sha256 {received.hexdigest()}, announced was {announced}; "
                "download it again",
            )

    # Beside the destination, so that the final rename stays on one disk.
    partial = destination.with_name(f".{destination.name}.{uuid4().hex}.part")
    try:
        connection.download(source, receive)
        partial.replace(destination)
    except OSError as error:
        raise LTForgeError(
            "FILE_UNWRITABLE", f"cannot write {destination}: {error.strerror}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return destination


def _announced_digest(response: httpx.Response) -> str:
    match = _ETAG.fullmatch(response.headers.get("ETag", ""))
    if match is None:
        raise CorruptTransferError(
            "NO_DIGEST", f"{response.url} came without a sha256 ETag, so it cannot be checked"
        )
    return match[1]
