"""Resumable uploads: begin, go on, look, end early, and make a checkpoint or data set of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from service.domain import Checkpoint, Dataset, ResumableUpload, UploadKind
from service.errors import Conflict, NotFound, PayloadTooLarge
from service.settings import Settings
from service.store import Store, Transaction
from service.store.blobs import BlobStore
from service.store.partial_blobs import PartialBlob
from service.usecases.digests import AnnouncedChecksum
from service.usecases.uploads import Added, check_room, disk_failures, register

# What a killed process may lose of what it took; each note costs an fsync and a transaction.
_NOTE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a client says of a file before it sends it."""

    kind: UploadKind
    name: str
    metadata: str
    length: int


def begin_upload(
    store: Store, blobs: BlobStore, settings: Settings, tenant_id: str, asked: Announcement
) -> ResumableUpload:
    """A new upload; raises PayloadTooLarge, QuotaExceeded, StorageQuotaExceeded, StorageFull."""
    limit = largest_upload(settings, asked.kind)
    if asked.length > limit:
        raise PayloadTooLarge(limit)
    check_room(blobs, asked.length, settings.free_disk_bytes)
    with store.begin() as tx:
        return tx.uploads.add(
            tenant_id,
            asked.kind,
            asked.name,
            asked.metadata,
            asked.length,
            most=settings.max_unfinished_uploads,
            seconds=settings.upload_expiry_seconds,
        )


def largest_upload(settings: Settings, kind: UploadKind) -> int:
    """Bytes that a file of this kind may have."""
    return settings.max_checkpoint_bytes if kind == "checkpoint" else settings.max_dataset_bytes


def get_upload(store: Store, blobs: BlobStore, tenant_id: str, upload_id: str) -> ResumableUpload:
    """An upload of the tenant as far as it is; raises NotFound, UploadExpired."""
    with store.read() as tx:
        upload = tx.uploads.get(tenant_id, upload_id)
    if upload.resource_id is not None:
        return upload
    return replace(upload, offset=min(upload.offset, blobs.partial_size(upload_id)))


def delete_upload(store: Store, blobs: BlobStore, tenant_id: str, upload_id: str) -> None:
    """Forget an upload and its bytes; what it became stays. Raises NotFound."""
    with store.begin() as tx:
        tx.uploads.delete(tenant_id, upload_id)
    with disk_failures():
        blobs.forget_partial(upload_id)


class UploadWriter:
    """Appends to an upload that nobody else can write to meanwhile; made by `open_writer`.

    The row says how far the upload is, and says so only of bytes that are on the disk: what a
    killed process wrote beyond that is cut off by the next one.
    """

    def __init__(
        self,
        store: Store,
        blobs: BlobStore,
        settings: Settings,
        partial: PartialBlob,
        upload: ResumableUpload,
        checksum: AnnouncedChecksum | None,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._settings = settings
        self._partial = partial
        self._upload = upload
        self._checksum = checksum
        self._noted = self._position = upload.offset

    def expect(self, more: int) -> None:
        """Raise Conflict if so many bytes more are too many."""
        if self._position + more > self._upload.length:
            raise Conflict(
                f"The upload was announced with {self._upload.length} bytes and has "
                f"{self._position}; {more} more do not fit. Begin a new upload for a longer file.",
                code="UPLOAD_LENGTH_EXCEEDED",
            )

    def write(self, data: bytes) -> None:
        """Append bytes; raises Conflict, StorageFull, or NotFound if the upload was deleted."""
        self.expect(len(data))
        check_room(self._blobs, len(data), self._settings.free_disk_bytes)
        with disk_failures():
            self._partial.write(data)
        self._position += len(data)
        if self._checksum is not None:
            self._checksum.update(data)
        elif self._position - self._noted >= _NOTE_BYTES:
            self._note()

    def finish(self) -> ResumableUpload:
        """Keep what was written; raises ChecksumMismatch, and then nothing of it is kept."""
        if self._checksum is not None:
            self._checksum.check()
        return self._note()

    def give_up(self) -> None:
        """Keep what was written so far, unless it was to be compared with a checksum."""
        if self._checksum is None and self._position > self._noted:
            self._note()

    def close(self) -> None:
        """Let others write."""
        self._partial.close()

    def _note(self) -> ResumableUpload:
        with disk_failures():
            self._partial.sync()
        with self._store.begin() as tx:
            tx.uploads.advance(
                self._upload.id,
                self._noted,
                self._position,
                self._settings.upload_expiry_seconds,
            )
            noted = tx.uploads.get(self._upload.tenant_id, self._upload.id)
        self._noted = self._position
        return noted


def open_writer(
    store: Store,
    blobs: BlobStore,
    settings: Settings,
    tenant_id: str,
    upload_id: str,
    offset: int,
    checksum: AnnouncedChecksum | None,
) -> UploadWriter:
    """The right to append to an upload at `offset`; its `close` gives it up.

    Raises NotFound, UploadExpired, UploadLocked, or Conflict where the upload is finished or
    stands elsewhere.
    """
    _check_unfinished(get_upload(store, blobs, tenant_id, upload_id))
    with disk_failures():
        partial = blobs.partial(upload_id)
    try:
        upload = _settle(store, partial, settings, tenant_id, upload_id)
        _check_offset(upload, offset)
        return UploadWriter(store, blobs, settings, partial, upload, checksum)
    except BaseException:
        partial.close()
        raise


def finalize_upload(
    store: Store, blobs: BlobStore, settings: Settings, tenant_id: str, upload_id: str
) -> Added[Checkpoint] | Added[Dataset]:
    """Make a checkpoint or data set of a complete upload; once more, it is the same one.

    Raises NotFound, UploadExpired, UploadLocked, Conflict while bytes are missing,
    StorageQuotaExceeded.
    """
    upload = get_upload(store, blobs, tenant_id, upload_id)
    if upload.resource_id is not None:
        return _resource(store, upload, upload.resource_id)
    with _held(blobs, upload_id) as partial:
        upload = _settle(store, partial, settings, tenant_id, upload_id)
        if upload.offset < upload.length:
            raise Conflict(
                f"{upload.length - upload.offset} of {upload.length} bytes are missing; send them "
                f"from the offset {upload.offset} on.",
                code="UPLOAD_INCOMPLETE",
            )
        with disk_failures():
            sha256, size = partial.commit()
        with store.begin() as tx:
            added = _register(tx, upload, sha256, size)
        with disk_failures():
            partial.secure()
            partial.remove()
    return added


@contextmanager
def _held(blobs: BlobStore, upload_id: str) -> Iterator[PartialBlob]:
    with disk_failures():
        partial = blobs.partial(upload_id)
    try:
        yield partial
    finally:
        partial.close()


def _settle(
    store: Store, partial: PartialBlob, settings: Settings, tenant_id: str, upload_id: str
) -> ResumableUpload:
    """The upload as it is now that nobody else writes; row and file say the same afterwards."""
    try:
        with store.read() as tx:
            upload = tx.uploads.get(tenant_id, upload_id)
    except NotFound:
        partial.remove()
        raise
    _check_unfinished(upload)
    with disk_failures():
        there = partial.size
        partial.cut(min(there, upload.offset))
    if there >= upload.offset:
        return upload
    with store.begin() as tx:
        tx.uploads.advance(upload_id, upload.offset, there, settings.upload_expiry_seconds)
    return replace(upload, offset=there)


def _check_offset(upload: ResumableUpload, offset: int) -> None:
    if offset != upload.offset:
        raise Conflict(
            f"The upload has {upload.offset} bytes, so it goes on there and not at {offset}; "
            "ask for the offset with HEAD.",
            code="UPLOAD_OFFSET_MISMATCH",
        )


def _check_unfinished(upload: ResumableUpload) -> None:
    if upload.resource_id is not None:
        raise Conflict(
            f"The upload is finished: it became the {upload.kind} {upload.resource_id!r}.",
            code="UPLOAD_FINALIZED",
        )


def _register(
    tx: Transaction, upload: ResumableUpload, sha256: str, size: int
) -> Added[Checkpoint] | Added[Dataset]:
    """Make the resource; raises NotFound where the upload was deleted meanwhile."""
    tx.uploads.finish(upload.tenant_id, upload.id)
    added: Added[Checkpoint] | Added[Dataset]
    if upload.kind == "checkpoint":
        added = register(tx.checkpoints, upload.tenant_id, upload.name, sha256, size)
    else:
        added = register(tx.datasets, upload.tenant_id, upload.name, sha256, size)
    tx.uploads.became(upload.id, added.upload.id)
    return added


def _resource(
    store: Store, upload: ResumableUpload, resource_id: str
) -> Added[Checkpoint] | Added[Dataset]:
    with store.read() as tx:
        if upload.kind == "checkpoint":
            return Added(tx.checkpoints.get(upload.tenant_id, resource_id), created=False)
        return Added(tx.datasets.get(upload.tenant_id, resource_id), created=False)
