"""The bytes of unfinished uploads: one file each, held by one writer at a time."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from service.errors import UploadLocked

_READ_BYTES = 1 << 20


class PartialBlob(Protocol):
    """An unfinished upload's bytes, which this holder alone may change."""

    @property
    def size(self) -> int:
        """Bytes that are there."""

    def cut(self, size: int) -> None:
        """Drop what lies beyond so many bytes; writing goes on there."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def sync(self) -> None:
        """Make what was written durable."""

    def commit(self) -> tuple[str, int]:
        """Make the whole a blob, durable and visible; its SHA-256 in hex and its size."""

    def secure(self) -> None:
        """After the blob's row is committed: make it visible again if it was collected before."""

    def remove(self) -> None:
        """Remove the unfinished upload; what was committed stays."""

    def close(self) -> None:
        """Let others have it. To be called in any case."""


class LocalPartialBlob:
    """A file under an exclusive lock of the operating system: it goes when its process dies.

    Raises UploadLocked where somebody else holds the lock.
    """

    def __init__(self, path: Path, publish: Callable[[Path, str], None]) -> None:
        self._path = path
        self._publish = publish
        self._descriptor = _open_locked(path)

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return os.fstat(self._descriptor).st_size

    def cut(self, size: int) -> None:
        """Drop what lies beyond so many bytes; writing goes on there."""
        os.ftruncate(self._descriptor, size)
        os.lseek(self._descriptor, size, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        """Make what was written durable."""
        os.fsync(self._descriptor)

    def commit(self) -> tuple[str, int]:
        """Hash the file and give it its digest as a second name.

        It is read once more for that: a hash cannot be carried over a killed process.
        """
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        digest, size = hashlib.sha256(), 0
        while data := os.read(self._descriptor, _READ_BYTES):
            digest.update(data)
            size += len(data)
        self.sync()
        self._digest = digest.hexdigest()
        self._publish(self._path, self._digest)
        return self._digest, size

    def secure(self) -> None:
        """Give it the digest's name again, in case a collector took it."""
        self._publish(self._path, self._digest)

    def remove(self) -> None:
        """Remove the file's name here."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Give up the lock."""
        os.close(self._descriptor)


def _open_locked(path: Path) -> int:
    """The file, made if need be, under a lock; raises UploadLocked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise UploadLocked from None
        if os.fstat(descriptor).st_nlink:
            return descriptor
        # Removed between opening and locking: what this name means now is another file.
        os.close(descriptor)
