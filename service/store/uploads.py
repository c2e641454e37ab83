"""Checkpoints and data sets: the same life, two tables."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.exc import IntegrityError

from service.domain import Checkpoint, CheckpointStatus, Dataset, Problem
from service.errors import Conflict, NotFound
from service.identifiers import new_id
from service.store.quotas import check_stored
from service.store.tables import CheckpointRow, DatasetRow, JobRow
from service.store.upload_validations import RowT, Validations

RecordT = TypeVar("RecordT", Checkpoint, Dataset)


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
        """The tenant's upload with this content, unless it was rejected."""
        row = self._scope.session.scalar(
            select(self._row).where(
                self._row.tenant_id == tenant_id,
                self._row.sha256 == sha256,
                self._row.status != CheckpointStatus.REJECTED,
            )
        )
        return None if row is None else self._record(row)

    def referenced(self, digests: Collection[str]) -> set[str]:
        """Which of these blobs some upload that was not rejected needs, of any tenant."""
        columns = (self._row.sha256, self._row.canonical_sha256)
        found: set[str] = set()
        for column in columns:
            rows = self._scope.session.scalars(
                select(column).where(
                    column.in_(digests), self._row.status != CheckpointStatus.REJECTED
                )
            )
            found.update(digest for digest in rows if digest is not None)
        return found

    def get(self, tenant_id: str, upload_id: str) -> RecordT:
        """One upload of the tenant; raises NotFound."""
        return self._record(self._own(tenant_id, upload_id))

    def list(self, tenant_id: str, limit: int, after: str | None = None) -> list[RecordT]:
        """Uploads of the tenant, newest first, starting below the id `after`."""
        query = select(self._row).where(self._row.tenant_id == tenant_id)
        if after is not None:
            query = query.where(self._row.id < after)
        query = query.order_by(self._row.id.desc()).limit(limit)
        return [self._record(row) for row in self._scope.session.scalars(query)]

    def _own(self, tenant_id: str, upload_id: str) -> RowT:
        row = self._scope.session.get(self._row, upload_id)
        if row is None or row.tenant_id != tenant_id:
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

    def delete(self, tenant_id: str, dataset_id: str) -> None:
        """Delete a data set; finished jobs forget it. Raises NotFound, Conflict while in use."""
        row = self._scope.session.scalar(
            select(DatasetRow).where(DatasetRow.id == dataset_id).with_for_update()
        )
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("dataset", dataset_id)
        using = select(JobRow.id).where(
            JobRow.dataset_id == dataset_id, JobRow.finished_at.is_(None)
        )
        job_id = self._scope.session.scalar(using.limit(1))
        if job_id is not None:
            raise Conflict(
                f"The job {job_id!r} uses the data set; cancel it, or wait for its end.",
                code="DATASET_IN_USE",
            )
        finished = update(JobRow).where(JobRow.dataset_id == dataset_id)
        self._scope.change(finished.values(dataset_id=None))
        self._scope.change(delete(DatasetRow).where(DatasetRow.id == dataset_id))
        self._scope.emit(tenant_id, dataset_id, "dataset.deleted", {})

    def _used_by_job(self, upload_id: str) -> ColumnElement[bool]:
        return JobRow.dataset_id == upload_id
