"""Uploads: bytes become a blob while they arrive, and then a row that waits for validation."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from service.domain import Checkpoint, Dataset, UploadFilter
from service.errors import EmptyUpload, PayloadTooLarge, StorageFull, StorageUnavailable
from service.store import Store
from service.store.blobs import BlobStore
from service.usecases.digests import AnnouncedDigests
from service.usecases.pages import Page, cut_page

Upload = TypeVar("Upload", Checkpoint, Dataset)
Registered_co = TypeVar("Registered_co", covariant=True)


class IncomingFile:
    """A file on its way in: staged, hashed and counted, and refused once it exceeds its limit.

    Nothing exists under its digest before `keep`; whoever gives up calls `discard`.
    """

    def __init__(
        self,
        blobs: BlobStore,
        limit: int,
        *,
        announced: AnnouncedDigests | None = None,
        free_bytes: int = 0,
    ) -> None:
        with disk_failures():
            self._staged = blobs.stage()
        self._blobs = blobs
        self._limit = limit
        self._free_bytes = free_bytes
        self._announced = announced or AnnouncedDigests({})
        self._bytes = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes; raises PayloadTooLarge or StorageFull."""
        self._bytes += len(data)
        if self._bytes > self._limit:
            raise PayloadTooLarge(self._limit)
        check_room(self._blobs, len(data), self._free_bytes)
        with disk_failures():
            self._staged.write(data)
        self._announced.update(data)

    def keep(self) -> tuple[str, int]:
        """Make the file durable; its SHA-256 and size. Raises EmptyUpload or DigestMismatch."""
        if self._bytes == 0:
            raise EmptyUpload("The request body is empty; send the file itself as the body.")
        self._announced.check()
        with disk_failures():
            return self._staged.commit()

    def secure(self) -> None:
        """Once the file's row is committed: see that the bytes are still there."""
        with disk_failures():
            self._staged.secure()

    def discard(self) -> None:
        """Remove the staged bytes; what was kept stays."""
        self._staged.discard()


def check_room(blobs: BlobStore, wanted: int, free_bytes: int) -> None:
    """Raise StorageFull if so many bytes more would leave less than `free_bytes`."""
    if free_bytes:
        with disk_failures():
            if blobs.free_bytes() - wanted < free_bytes:
                raise StorageFull


@contextmanager
def disk_failures() -> Iterator[None]:
    """Report a disk that is full or gone as what it is to callers."""
    try:
        yield
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull from failure
        raise StorageUnavailable(f"The blob store cannot take the file: {failure}") from failure


@dataclass(frozen=True, slots=True)
class Added(Generic[Upload]):
    """The resource of an upload, and whether it is new or was there with the same bytes."""

    upload: Upload
    created: bool


class Registry(Protocol[Registered_co]):
    """Where the uploads of one kind are registered."""

    def find_by_digest(self, tenant_id: str, sha256: str) -> Registered_co | None:
        """The tenant's upload with this content, unless it was rejected."""

    def add(self, tenant_id: str, name: str, sha256: str, bytes: int) -> Registered_co:  # noqa: A002
        """A new upload, to be validated."""


def register(
    registry: Registry[Upload], tenant_id: str, name: str, sha256: str, size: int
) -> Added[Upload]:
    """Register bytes that are kept, unless the tenant has them already."""
    known = registry.find_by_digest(tenant_id, sha256)
    return Added(known or registry.add(tenant_id, name, sha256, size), created=known is None)


def add_checkpoint(
    store: Store, file: IncomingFile, tenant_id: str, name: str
) -> Added[Checkpoint]:
    """Keep the file and register it as a checkpoint, unless the tenant has these bytes already."""
    sha256, size = file.keep()
    with store.begin() as tx:
        added = register(tx.checkpoints, tenant_id, name, sha256, size)
    file.secure()
    return added


def add_dataset(store: Store, file: IncomingFile, tenant_id: str, name: str) -> Added[Dataset]:
    """Keep the file and register it as a data set, unless the tenant has these bytes already."""
    sha256, size = file.keep()
    with store.begin() as tx:
        added = register(tx.datasets, tenant_id, name, sha256, size)
    file.secure()
    return added


def get_checkpoint(store: Store, tenant_id: str, checkpoint_id: str) -> Checkpoint:
    """One checkpoint of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.checkpoints.get(tenant_id, checkpoint_id)


def get_dataset(store: Store, tenant_id: str, dataset_id: str) -> Dataset:
    """One data set of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.datasets.get(tenant_id, dataset_id)


def list_checkpoints(
    store: Store, tenant_id: str, limit: int, after: str | None, wanted: UploadFilter
) -> Page[Checkpoint]:
    """A page of the tenant's checkpoints, newest first, of those that pass the filter."""
    with store.read() as tx:
        return cut_page(tx.checkpoints.list(tenant_id, limit + 1, after, wanted), limit)


def list_datasets(
    store: Store, tenant_id: str, limit: int, after: str | None, wanted: UploadFilter
) -> Page[Dataset]:
    """A page of the tenant's data sets, newest first, of those that pass the filter."""
    with store.read() as tx:
        return cut_page(tx.datasets.list(tenant_id, limit + 1, after, wanted), limit)


def delete_checkpoint(store: Store, tenant_id: str, checkpoint_id: str) -> None:
    """Delete a checkpoint; raises NotFound, Conflict while an unfinished job uses it."""
    with store.begin() as tx:
        tx.checkpoints.delete(tenant_id, checkpoint_id)


def delete_dataset(store: Store, tenant_id: str, dataset_id: str) -> None:
    """Delete a data set; raises NotFound, Conflict while an unfinished job uses it."""
    with store.begin() as tx:
        tx.datasets.delete(tenant_id, dataset_id)


def name_checkpoints(store: Store, tenant_id: str, ids: Collection[str]) -> dict[str, str]:
    """The names of the tenant's checkpoints with these ids; those that are gone are left out."""
    with store.read() as tx:
        return tx.checkpoints.names(tenant_id, ids)
