"""Uploaded files: streamed from disk, hashed on the way, compared with what the service stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ltforge.connection import Connection
from ltforge.errors import CorruptTransferError, LTForgeError, UploadRejectedError
from ltforge.resources import Document, Problem, read_problem, read_time
from ltforge.waiting import wait_until

CHUNK_BYTES = 1 << 20

SentCallback = Callable[[int, int], None]
"""Called with (bytes sent, bytes in all) while an upload runs."""


@dataclass(frozen=True)
class Upload:
    """A file the service holds. ``status``: validating, then ready or rejected."""

    id: str
    name: str
    status: str
    sha256: str
    bytes: int
    summary: dict[str, Any] | None
    rejection: Problem | None
    created_at: datetime | None
    _connection: Connection = field(repr=False, compare=False)
    _path: str = field(repr=False, compare=False)

    @property
    def terminal(self) -> bool:
        """Whether the service has read the file and decided. States not known here are not."""
        return self.status in ("ready", "rejected")


@dataclass(frozen=True)
class Checkpoint(Upload):
    """A trained network's file."""

    def wait(self, timeout: float = 600.0) -> Checkpoint:
        """Wait until the service has read the checkpoint; jobs need not wait for that.

        Raises:
            UploadRejectedError: it is not a usable checkpoint, and why.
            WaitTimeoutError: ``timeout`` seconds passed first.
        """
        return _wait(self, timeout)


@dataclass(frozen=True)
class Dataset(Upload):
    """An npz file with arrays x and y."""

    def wait(self, timeout: float = 600.0) -> Dataset:
        """Wait until the service has read the data set; see ``Checkpoint.wait``."""
        return _wait(self, timeout)


UploadKind = TypeVar("UploadKind", Checkpoint, Dataset)


def read_upload(
    kind: type[UploadKind], document: Document, connection: Connection, collection: str
) -> UploadKind:
    """A checkpoint or data set from the service's JSON."""
    return kind(
        id=document["id"],
        name=document.get("name") or "",
        status=document["status"],
        sha256=document["sha256"],
        bytes=int(document["bytes"]),
        summary=document.get("summary"),
        rejection=read_problem(document.get("rejection")),
        created_at=read_time(document.get("created_at")),
        _connection=connection,
        _path=f"{collection}/{document['id']}",
    )


def send_file(
    kind: type[UploadKind],
    connection: Connection,
    collection: str,
    path: Path,
    *,
    name: str | None,
    on_progress: SentCallback | None,
) -> UploadKind:
    """Stream the file at ``path`` to ``collection`` and check the digest the service reports."""
    length = _length(path)
    stream = _FileStream(path, length, on_progress)
    document = connection.upload(collection, {"name": name or path.name}, length, stream.chunks)
    uploaded = read_upload(kind, document, connection, collection)
    if uploaded.sha256 != stream.sha256():
        raise CorruptTransferError(
            "UPLOAD_CHANGED",
            f"the service stored sha256 {uploaded.sha256}, {path} is {stream.sha256()}; "
            "upload it again",
        )
    return uploaded


class _FileStream:
    """A file's chunks, read afresh for every attempt, with the digest of the last full reading."""

    def __init__(self, path: Path, length: int, on_progress: SentCallback | None) -> None:
        self._path = path
        self._length = length
        self._on_progress = on_progress
        self._digest = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        self._digest = hashlib.sha256()
        sent = 0
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self._digest.update(chunk)
                yield chunk
                sent += len(chunk)
                if self._on_progress is not None:
                    self._on_progress(sent, self._length)

    def sha256(self) -> str:
        return self._digest.hexdigest()


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise LTForgeError("FILE_UNREADABLE", f"cannot read {path}: {error.strerror}") from error


def _wait(upload: UploadKind, timeout: float) -> UploadKind:
    def fetch() -> UploadKind:
        document = upload._connection.get(upload._path)
        return replace(
            upload,
            status=document["status"],
            summary=document.get("summary"),
            rejection=read_problem(document.get("rejection")),
        )

    final = wait_until(
        fetch, lambda seen: seen.terminal, timeout=timeout, what=f"reading {upload.id}"
    )
    if final.rejection is not None or final.status == "rejected":
        reason = final.rejection or Problem("UPLOAD_REJECTED", f"{final.id} was rejected")
        raise UploadRejectedError(reason.code, reason.detail)
    return final
