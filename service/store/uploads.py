"""Checkpoints and data sets: the same life, two tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import IntegrityError

from service.domain import Checkpoint, CheckpointStatus, Dataset, Problem, UploadFilter
from service.errors import Conflict, NotFound
from service.identifiers import new_id
from service.store.quotas import check_stored
from service.store.tables import CheckpointRow, DatasetRow, JobRow
from service.store.upload_validations import RowT, Validations

RecordT = TypeVar("RecordT", Checkpoint, Dataset)

_SHOWN_JOBS = 3


class _UploadRepository(Validations[RowT], Generic[RowT, RecordT]):
    """Adds, finds and (inherited) validates uploads of one kind."""

    _record_type: type[RecordT]
    _prefix: Literal["ckp", "dst"]

    def add(self, tenant_id: str, name: str, sha256: str, bytes: int) -> RecordT:  # noqa: A002
        """A new upload, to be validated; or the tenant's own one with the same content."""
        check_stored(self._scope, tenant_id, bytes)
        row = self._row(
            id=new_id(self._prefix),
            tenant_id=tenant_id,
            name=name,
            status=CheckpointStatus.VALIDATING,
            sha256=sha256,
            bytes=bytes,
            created_at=self._scope.now(),
            attempt=0,
        )
        try:
            with self._scope.session.begin_nested():
                self._scope.session.add(row)
        except IntegrityError:
            # Two uploads of one file at a time: the later one finds the earlier one.
            existing = self.find_by_digest(tenant_id, sha256)
            if existing is None:
                raise
            return existing
        self._emit(row.id, tenant_id, CheckpointStatus.VALIDATING, {})
        self._scope.announce("validate")
        return self._record(row)

    def find_by_digest(self, tenant_id: str, sha256: str) -> RecordT | None:
        """The tenant's upload with this content, unless it was rejected or deleted."""
        row = self._scope.session.scalar(
            select(self._row).where(
                self._row.tenant_id == tenant_id,
                self._row.sha256 == sha256,
                self._row.status != CheckpointStatus.REJECTED,
                self._row.deleted_at.is_(None),
            )
        )
        return None if row is None else self._record(row)

    def referenced(self, digests: Collection[str]) -> set[str]:
        """Which of these blobs some upload needs, of any tenant: none rejected, none deleted."""
        columns = (self._row.sha256, self._row.canonical_sha256)
        found: set[str] = set()
        for column in columns:
            rows = self._scope.session.scalars(
                select(column).where(
                    column.in_(digests),
                    self._row.status != CheckpointStatus.REJECTED,
                    self._row.deleted_at.is_(None),
                )
            )
            found.update(digest for digest in rows if digest is not None)
        return found

    def get(self, tenant_id: str, upload_id: str) -> RecordT:
        """One upload of the tenant; raises NotFound."""
        return self._record(self._own(tenant_id, upload_id))

    def name_of(self, tenant_id: str, upload_id: str) -> str:
        """What the tenant called it, also where it was deleted; raises NotFound."""
        row = self._scope.session.get(self._row, upload_id)
        if row is None or row.tenant_id != tenant_id:
            raise NotFound(self._kind, upload_id)
        return row.name

    def list(
        self,
        tenant_id: str,
        limit: int,
        after: str | None = None,
        wanted: UploadFilter = UploadFilter(),  # noqa: B008 - frozen
    ) -> list[RecordT]:
        """Uploads of the tenant, newest first, starting below the id `after`."""
        query = select(self._row).where(
            self._row.tenant_id == tenant_id, self._row.deleted_at.is_(None)
        )
        if after is not None:
            query = query.where(self._row.id < after)
        for column, value in (
            (self._row.status, wanted.status),
            (self._row.name, wanted.name),
            (self._row.sha256, wanted.sha256),
        ):
            if value is not None:
                query = query.where(column == value)
        query = query.order_by(self._row.id.desc()).limit(limit)
        return [self._record(row) for row in self._scope.session.scalars(query)]

    def delete(self, tenant_id: str, upload_id: str) -> None:
        """Delete an upload; finished jobs and tickets go on naming it. Once more is no error.

        Raises NotFound, or Conflict while an unfinished job uses it.
        """
        # Locked against submissions, which share the lock until their job exists.
        row = self._scope.session.scalar(
            select(self._row)
            .where(self._row.id == upload_id, self._row.tenant_id == tenant_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        if row is None:
            raise NotFound(self._kind, upload_id)
        if row.deleted_at is not None:
            return
        self._check_unused(upload_id)
        row.deleted_at = self._scope.now()
        row.lease_token = row.lease_expires_at = None
        self._scope.session.flush()
        self._scope.emit(tenant_id, upload_id, f"{self._kind}.deleted", {})

    def _check_unused(self, upload_id: str) -> None:
        unfinished = (self._used_by_job(upload_id), JobRow.finished_at.is_(None))
        using = select(JobRow.id).where(*unfinished).order_by(JobRow.id).limit(_SHOWN_JOBS + 1)
        ids = self._scope.session.scalars(using).all()
        if not ids:
            return
        shown = ", ".join(repr(job_id) for job_id in ids[:_SHOWN_JOBS])
        more = " and others" if len(ids) > _SHOWN_JOBS else ""
        raise Conflict(
            f"Unfinished jobs use the {self._kind}: {shown}{more}; cancel them, or wait for "
            "their end.",
            code=f"{self._kind.upper()}_IN_USE",
        )

    def names(self, tenant_id: str, ids: Collection[str]) -> dict[str, str]:
        """The names of the tenant's uploads with these ids, a page of a list at most."""
        query = select(self._row.id, self._row.name).where(
            self._row.tenant_id == tenant_id, self._row.id.in_(ids)
        )
        return {found.id: found.name for found in self._scope.session.execute(query)}

    def _own(self, tenant_id: str, upload_id: str) -> RowT:
        row = self._scope.session.get(self._row, upload_id)
        if row is None or row.tenant_id != tenant_id or row.deleted_at is not None:
            raise NotFound(self._kind, upload_id)
        return row

    def _record(self, row: RowT) -> RecordT:
        rejected = row.rejection_code is not None
        return self._record_type(
            id=row.id,
            tenant_id=row.tenant_id,
            name=row.name,
            status=CheckpointStatus(row.status),
            sha256=row.sha256,
            bytes=row.bytes,
            canonical_sha256=row.canonical_sha256,
            summary=row.summary,
            rejection=Problem(row.rejection_code or "", row.rejection_detail or "")
            if rejected
            else None,
            created_at=row.created_at,
        )


class CheckpointRepository(_UploadRepository[CheckpointRow, Checkpoint]):
    """Uploaded target networks."""

    _row = CheckpointRow
    _record_type = Checkpoint
    _kind = "checkpoint"
    _prefix = "ckp"

    def _used_by_job(self, upload_id: str) -> ColumnElement[bool]:
        return JobRow.checkpoint_id == upload_id


class DatasetRepository(_UploadRepository[DatasetRow, Dataset]):
    """Uploaded data sets."""

    _row = DatasetRow
    _record_type = Dataset
    _kind = "dataset"
    _prefix = "dst"

    def _used_by_job(self, upload_id: str) -> ColumnElement[bool]:
        return JobRow.dataset_id == upload_id
