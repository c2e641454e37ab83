"""The worker's side of uploads: claim, decide, give back; every write names its lease."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, and_, or_, select, update

from service.domain import CheckpointStatus, Problem, ValidationTask
from service.store.job_transitions import fail_waiting
from service.store.scope import Scope
from service.store.tables import CheckpointRow, DatasetRow

RowT = TypeVar("RowT", CheckpointRow, DatasetRow)


class Validations(ABC, Generic[RowT]):
    """Leased validation of uploads of one kind."""

    _row: type[RowT]
    _kind: Literal["checkpoint", "dataset"]

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def claim_validation(self, worker: str, lease_seconds: float) -> ValidationTask | None:
        """The upload that waits longest for validation; `worker` is recorded in the event."""
        row = self._scope.session.scalar(
            select(self._row)
            .where(self._waiting(), self._unleased())
            .order_by(self._row.created_at, self._row.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if row is None:
            return None
        row.attempt += 1
        row.lease_token = secrets.token_hex(16)
        row.lease_expires_at = self._scope.after(lease_seconds)
        self._scope.session.flush()
        data = {"worker": worker, "attempt": row.attempt}
        self._scope.emit(row.tenant_id, row.id, f"{self._kind}.validation_started", data)
        return ValidationTask(self._kind, row.id, row.tenant_id, row.sha256, row.lease_token)

    def renew_validation(self, upload_id: str, lease_token: str, lease_seconds: float) -> bool:
        """Keep the right to validate; False when it is lost."""
        held = update(self._row).where(*self._held(upload_id, lease_token))
        return (
            self._scope.change(held.values(lease_expires_at=self._scope.after(lease_seconds))) == 1
        )

    def release_validation(self, upload_id: str, lease_token: str) -> bool:
        """Give an upload back uncounted, for another worker to validate; False: lease lost."""
        given_back = (
            update(self._row)
            .where(*self._held(upload_id, lease_token))
            .values(lease_token=None, lease_expires_at=None, attempt=self._row.attempt - 1)
        )
        if self._scope.change(given_back) != 1:
            return False
        self._scope.announce("validate")
        return True

    def accept(
        self, upload_id: str, lease_token: str, canonical_sha256: str, summary: dict[str, Any]
    ) -> bool:
        """Record the verdict "ready" and announce jobs that wait for it; False: lease lost."""
        values = {"canonical_sha256": canonical_sha256, "summary": summary}
        if not self._decide(upload_id, lease_token, CheckpointStatus.READY, values, {}):
            return False
        self._scope.announce("auto")
        return True

    def reject(self, upload_id: str, lease_token: str, problem: Problem) -> bool:
        """Record the verdict "rejected" and fail the jobs that wait for it; False: lease lost."""
        values = {"rejection_code": problem.code, "rejection_detail": problem.detail}
        data = {"code": problem.code}
        if not self._decide(upload_id, lease_token, CheckpointStatus.REJECTED, values, data):
            return False
        code = f"{self._kind.upper()}_REJECTED"
        detail = f"The {self._kind} was rejected ({problem.code}): {problem.detail}"
        fail_waiting(self._scope, self._used_by_job(upload_id), Problem(code, detail))
        return True

    def reap_validations(self, max_attempts: int) -> int:
        """Free uploads whose validators died, or reject those that killed several; how many."""
        expired = self._row.lease_expires_at < self._scope.now()
        rows = self._scope.session.scalars(
            select(self._row).where(self._waiting(), expired).with_for_update(skip_locked=True)
        ).all()
        for row in rows:
            if row.attempt >= max_attempts and row.lease_token is not None:
                self.reject(row.id, row.lease_token, _worn_out(row.attempt))
                continue
            row.lease_token = row.lease_expires_at = None
            self._scope.session.flush()
            self._scope.announce("validate")
        return len(rows)

    def waiting(self, older_than_seconds: float) -> bool:
        """Whether an upload has waited this long for a validator."""
        query = select(self._row.id).where(
            self._waiting(),
            self._unleased(),
            self._row.created_at < self._scope.after(-older_than_seconds),
        )
        return self._scope.session.scalar(query.limit(1)) is not None

    def lease_tokens(self) -> set[str]:
        """The tokens of all validations under way."""
        held = select(self._row.lease_token).where(self._row.status == CheckpointStatus.VALIDATING)
        return {token for token in self._scope.session.scalars(held) if token is not None}

    def _waiting(self) -> ColumnElement[bool]:
        return and_(self._row.status == CheckpointStatus.VALIDATING, self._row.deleted_at.is_(None))

    def _unleased(self) -> ColumnElement[bool]:
        return or_(self._row.lease_token.is_(None), self._row.lease_expires_at < self._scope.now())

    def _held(self, upload_id: str, lease_token: str) -> tuple[ColumnElement[bool], ...]:
        return (
            self._row.id == upload_id,
            self._row.lease_token == lease_token,
            self._waiting(),
        )

    def _decide(
        self,
        upload_id: str,
        lease_token: str,
        status: CheckpointStatus,
        values: dict[str, Any],
        data: dict[str, Any],
    ) -> bool:
        changes = {"status": status, "lease_token": None, "lease_expires_at": None} | values
        decided = update(self._row).where(*self._held(upload_id, lease_token)).values(changes)
        if self._scope.change(decided) != 1:
            return False
        owner = select(self._row.tenant_id).where(self._row.id == upload_id)
        self._emit(upload_id, self._scope.session.scalars(owner).one(), status, data)
        return True

    def _emit(
        self, upload_id: str, tenant_id: str, status: CheckpointStatus, data: dict[str, Any]
    ) -> None:
        self._scope.emit(tenant_id, upload_id, f"{self._kind}.{status}", data)

    @abstractmethod
    def _used_by_job(self, upload_id: str) -> ColumnElement[bool]:
        """The jobs that use an upload."""


def _worn_out(attempts: int) -> Problem:
    return Problem(
        "VALIDATION_INTERRUPTED",
        f"Validation was interrupted {attempts} times, most likely because the file needs more "
        "memory or time than a worker has. Make the file smaller or give the workers more memory.",
    )
