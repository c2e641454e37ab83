"""Blobs: files named by the SHA-256 of their content, complete or absent."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, runtime_checkable

from service.identifiers import is_id
from service.store.partial_blobs import LocalPartialBlob, PartialBlob


@runtime_checkable
class StagedBlob(Protocol):
    """Bytes on their way in; until `commit` nobody can see them."""

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def commit(self) -> tuple[str, int]:
        """Make the blob durable and visible; its SHA-256 in hex and its size."""

    def secure(self) -> None:
        """After the blob's row is committed: make it visible again if it was collected before."""

    def discard(self) -> None:
        """Remove the temporary file; what was committed stays. To be called in any case."""


@runtime_checkable
class BlobStore(Protocol):
    """Where uploads and their canonical forms are kept."""

    def stage(self) -> StagedBlob:
        """Begin a new blob."""

    def path(self, sha256: str) -> Path:
        """The file of a blob, to be read only."""

    def exists(self, sha256: str) -> bool:
        """Whether the blob is there."""

    def free_bytes(self) -> int:
        """How much room is left."""

    def partial(self, upload_id: str) -> PartialBlob:
        """What has come of an unfinished upload, to go on with; raises UploadLocked."""

    def partial_size(self, upload_id: str) -> int:
        """How many bytes of an unfinished upload are there."""

    def forget_partial(self, upload_id: str) -> None:
        """Remove the bytes of an unfinished upload, if there are any."""


class LocalBlobStore:
    """Blobs in a folder of the local file system, shared by the API and the workers."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / "staging"
        self._staging.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._unfinished = root / "unfinished"
        self._unfinished.mkdir(mode=0o700, parents=True, exist_ok=True)

    def stage(self) -> LocalStagedBlob:
        """Begin a new blob in the staging folder, on the same file system as its destination."""
        return LocalStagedBlob(self, self._staging)

    def path(self, sha256: str) -> Path:
        """The file of a blob; refuses what is not a SHA-256, as it becomes a path."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256 in lowercase hex: {sha256!r}")
        return self._root / sha256[:2] / sha256

    def exists(self, sha256: str) -> bool:
        """Whether the blob is there."""
        return self.path(sha256).is_file()

    def free_bytes(self) -> int:
        """What the file system leaves to processes that are not root's."""
        return shutil.disk_usage(self._root).free

    def partial(self, upload_id: str) -> LocalPartialBlob:
        """What has come of an unfinished upload; raises UploadLocked."""
        return LocalPartialBlob(self._partial_path(upload_id), self.publish)

    def partial_size(self, upload_id: str) -> int:
        """How many bytes of an unfinished upload are there."""
        try:
            return self._partial_path(upload_id).stat().st_size
        except FileNotFoundError:
            return 0

    def forget_partial(self, upload_id: str) -> None:
        """Remove the bytes of an unfinished upload, if there are any."""
        self._partial_path(upload_id).unlink(missing_ok=True)

    def partials_older_than(self, seconds: float) -> list[str]:
        """Unfinished uploads whose bytes nobody has changed for that long."""
        files = self._unfinished.iterdir()
        return [file.name for file in files if is_id(file.name) and _age(file) >= seconds]

    def publish(self, file: Path, sha256: str) -> None:
        """Give a file of this file system its digest as a second name; a crash leaves all or none.

        The grace of collection runs from now on, however long the upload took.
        """
        destination = self.path(sha256)
        destination.parent.mkdir(mode=0o700, exist_ok=True)
        os.utime(file)
        link = self._staging / f"{file.name}.link"
        link.unlink(missing_ok=True)
        link.hardlink_to(file)
        link.replace(destination)
        # Between two names of one file, renaming does nothing.
        link.unlink(missing_ok=True)
        _sync_folder(destination.parent)

    def _partial_path(self, upload_id: str) -> Path:
        if not is_id(upload_id):
            raise ValueError(f"not an identifier: {upload_id!r}")
        return self._unfinished / upload_id

    def older_than(self, seconds: float) -> list[str]:
        """Digests of the blobs that were stored at least that long ago."""
        files = self._root.glob("[0-9a-f][0-9a-f]/*")
        return [file.name for file in files if _age(file) >= seconds]

    def collect(self, sha256: str, seconds: float, is_needed: Callable[[], object]) -> bool:
        """Remove a blob that is older than that and not needed; whether it was removed.

        It is taken aside first: an upload of the same bytes may commit meanwhile, as a new file.
        What it needs is asked again then, as its row may have come late. A row that comes later
        still finds no blob, and whoever wrote it stores the blob again (`secure`).
        """
        aside = self._staging / f"{sha256}.collected"
        try:
            self.path(sha256).rename(aside)
        except FileNotFoundError:
            return False
        if _age(aside) < seconds or is_needed():
            aside.replace(self.path(sha256))
            return False
        aside.unlink()
        return True

    def discard_stale(self, seconds: float) -> None:
        """Remove staged bytes that nobody has written to for that long."""
        for file in self._staging.iterdir():
            if _age(file) >= seconds:
                file.unlink(missing_ok=True)


class LocalStagedBlob:
    """A temporary file that hashes and counts what is written to it."""

    def __init__(self, store: LocalBlobStore, folder: Path) -> None:
        self._store = store
        handle, name = tempfile.mkstemp(dir=folder)
        self._file = os.fdopen(handle, "wb")
        self._path = Path(name)
        self._hash = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)

    def commit(self) -> tuple[str, int]:
        """Flush to disk, then rename: a crash leaves the whole blob or none."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._store.publish(self._path, self._hash.hexdigest())
        return self._hash.hexdigest(), self._size

    def secure(self) -> None:
        """The temporary name still holds the bytes, whatever became of the blob."""
        if not self._store.exists(self._hash.hexdigest()):
            self._store.publish(self._path, self._hash.hexdigest())

    def discard(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def _age(file: Path) -> float:
    """Seconds since the file was written to; 0 if it is gone."""
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _sync_folder(folder: Path) -> None:
    """Make a rename durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
