"""Uploads that arrive in pieces: what was announced, and how much of it is there."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from sqlalchemy import delete, func, select, update

from service.domain import ResumableUpload, UploadKind
from service.errors import NotFound, QuotaExceeded, UploadExpired
from service.identifiers import new_id
from service.store.quotas import check_stored, limits_of
from service.store.scope import Scope
from service.store.tables import ResumableUploadRow

_PATIENCE = 600


class ResumableUploadRepository:
    """The row says how far an upload is; the bytes are made durable before it does."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add(
        self,
        tenant_id: str,
        kind: UploadKind,
        name: str,
        metadata: str,
        length: int,
        *,
        most: int,
        seconds: float,
    ) -> ResumableUpload:
        """A new upload, whose whole length counts as stored from now on.

        Raises QuotaExceeded beyond `most` unfinished ones, StorageQuotaExceeded.
        """
        limits_of(self._scope, tenant_id, lock=True)
        unfinished = select(func.count()).where(
            ResumableUploadRow.tenant_id == tenant_id, ResumableUploadRow.resource_id.is_(None)
        )
        if (self._scope.session.scalar(unfinished) or 0) >= most:
            raise QuotaExceeded("unfinished uploads", most, _PATIENCE)
        check_stored(self._scope, tenant_id, length)
        row = ResumableUploadRow(
            id=new_id("upl"),
            tenant_id=tenant_id,
            kind=kind,
            name=name,
            upload_metadata=metadata,
            length=length,
            offset=0,
            created_at=self._scope.now(),
            expires_at=self._scope.after(seconds),
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        self._scope.audit(tenant_id, row.id, "upload.created", {"kind": kind, "bytes": length})
        return _record(row)

    def get(self, tenant_id: str, upload_id: str) -> ResumableUpload:
        """One upload of the tenant; raises NotFound, UploadExpired."""
        row = self._scope.session.get(ResumableUploadRow, upload_id, populate_existing=True)
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("upload", upload_id)
        if row.expires_at < self._scope.now():
            raise UploadExpired(row.expires_at)
        return _record(row)

    def advance(self, upload_id: str, before: int, offset: int, seconds: float) -> None:
        """Note that so many bytes are there, and put off the expiry; raises NotFound."""
        row = ResumableUploadRow
        moved = (
            update(row)
            .where(row.id == upload_id, row.offset == before, row.resource_id.is_(None))
            .values(offset=offset, expires_at=self._scope.after(seconds))
        )
        if self._scope.change(moved) != 1:
            raise NotFound("upload", upload_id)

    def finish(self, tenant_id: str, upload_id: str) -> None:
        """The upload's bytes no longer count; those of what it becomes do. Raises NotFound."""
        row = ResumableUploadRow
        unfinished = update(row).where(
            row.id == upload_id, row.tenant_id == tenant_id, row.resource_id.is_(None)
        )
        # Its own id, until `became` has a better one.
        if self._scope.change(unfinished.values(resource_id=upload_id)) != 1:
            raise NotFound("upload", upload_id)

    def became(self, upload_id: str, resource_id: str) -> None:
        """Note what a finished upload became."""
        row = ResumableUploadRow
        self._scope.change(update(row).where(row.id == upload_id).values(resource_id=resource_id))

    def delete(self, tenant_id: str, upload_id: str) -> None:
        """Forget an upload; what it became stays. Raises NotFound."""
        row = ResumableUploadRow
        own = delete(row).where(row.id == upload_id, row.tenant_id == tenant_id)
        if self._scope.change(own) != 1:
            raise NotFound("upload", upload_id)
        self._scope.audit(tenant_id, upload_id, "upload.deleted", {})

    def expire(self, limit: int) -> list[str]:
        """Forget uploads whose time is over; their ids."""
        row = ResumableUploadRow
        late = select(row.id).where(row.expires_at < self._scope.now()).limit(limit)
        ids = list(self._scope.session.scalars(late.with_for_update(skip_locked=True)))
        self._scope.change(delete(row).where(row.id.in_(ids)))
        return ids

    def unfinished(self, ids: Collection[str]) -> set[str]:
        """Which of these uploads still wait for bytes."""
        row = ResumableUploadRow
        waiting = select(row.id).where(row.id.in_(ids), row.resource_id.is_(None))
        return set(self._scope.session.scalars(waiting))


def _record(row: ResumableUploadRow) -> ResumableUpload:
    return ResumableUpload(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=cast("UploadKind", row.kind),
        name=row.name,
        metadata=row.upload_metadata,
        length=row.length,
        offset=row.offset,
        resource_id=row.resource_id,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
