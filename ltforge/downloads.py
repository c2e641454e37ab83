"""A file onto disk: whole and equal to its announced digest, or not there at all."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from ltforge.calls import Parameters, given
from ltforge.errors import CorruptTransferError, LTForgeError
from ltforge.exchange import Flow, Reply, Request, open_answer, pause, read_chunk, terms
from ltforge.retrying import Repeat

_ETAG = re.compile(r'(?:W/)?"sha256-([0-9a-f]{64})"')
_PARTIAL_CONTENT = 206
_BYTES = {"Accept": "application/octet-stream"}


@dataclass
class _Partial:
    """What has arrived so far."""

    path: Path
    size: int = 0
    etag: str | None = None
    digest: Any = field(default_factory=hashlib.sha256)

    def begin(self, reply: Reply) -> None:
        """Go on behind what is there, or begin anew where the service sends the whole again."""
        etag = reply.headers.get("ETag")
        if reply.status == _PARTIAL_CONTENT and etag == self.etag:
            return
        self.size, self.etag, self.digest = 0, etag, hashlib.sha256()
        self.path.write_bytes(b"")

    def append(self, chunk: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(chunk)
        self.digest.update(chunk)
        self.size += len(chunk)

    def rest(self) -> dict[str, str]:
        """The headers that ask for what is still to come."""
        if not self.size or self.etag is None:
            return _BYTES
        return {**_BYTES, "Range": f"bytes={self.size}-", "If-Range": self.etag}


def fetch_file(source: str, parameters: Parameters, destination: Path) -> Flow[Path]:
    """Download ``source`` to ``destination``; a broken transfer goes on where it broke.

    The bytes go to a temporary file in the same folder, are hashed on the way, and take the final
    name only when they equal the digest in the ETag.

    Raises:
        CorruptTransferError: they do not; nothing is left behind.
    """
    # Beside the destination, so that the final rename stays on one disk.
    partial = _Partial(destination.with_name(f".{destination.name}.{uuid4().hex}.part"))
    try:
        yield from _receive(source, parameters, partial)
        _check(partial, source)
        _sync(partial.path)
        partial.path.replace(destination)
    except OSError as error:
        raise LTForgeError(
            "FILE_UNWRITABLE", f"cannot write {destination}: {error.strerror}"
        ) from error
    finally:
        partial.path.unlink(missing_ok=True)
    return destination


def _receive(source: str, parameters: Parameters, partial: _Partial) -> Flow[None]:
    retries = (yield from terms()).retries
    for number in range(1, retries.attempts + 1):
        request = Request("GET", source, parameters=given(parameters), headers=partial.rest())
        try:
            partial.begin((yield from open_answer(request)))
            while (chunk := (yield from read_chunk())) is not None:
                partial.append(chunk)
        except LTForgeError as error:
            if number == retries.attempts or not Repeat.HARMLESS.allows(error):
                raise
            seconds = retries.pause(number, error)
        else:
            return
        yield from pause(seconds)


def _check(partial: _Partial, source: str) -> None:
    announced = announced_digest(partial.etag)
    if announced is None:
        raise CorruptTransferError(
            "NO_DIGEST", f"{source} came without a sha256 ETag, so it cannot be checked"
        )
    if partial.digest.hexdigest() != announced:
        raise CorruptTransferError(
            "DIGEST_MISMATCH",
            f"{source} arrived with sha256 {partial.digest.hexdigest()}, announced was "
            f"{announced}; download it again",
        )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def announced_digest(etag: str | None) -> str | None:
    """The SHA-256 that an ETag of the service's files names."""
    match = _ETAG.fullmatch(etag or "")
    return match[1] if match else None
