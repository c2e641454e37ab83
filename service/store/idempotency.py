"""Idempotency keys: which requests were made under them, and how they were answered."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from service.store.scope import Scope
from service.store.tables import IdempotencyRow

# A request that takes longer lost its process: its key may be used again.
_IN_FLIGHT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """How a request was answered."""

    body: bytes
    location: str | None


class IdempotencyRepository:
    """Keeps keys, each for one tenant and one request."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def reserve(self, tenant_id: str, key: str, request_sha256: str) -> StoredAnswer | None:
        """The answer that the same request got under this key; None: it is now under way.

        Raises IdempotencyKeyReused for another request, IdempotencyKeyInUse while the first one
        is under way.
        """
        place = (IdempotencyRow.tenant_id == tenant_id, IdempotencyRow.key == key)
        expired = IdempotencyRow.expires_at < self._scope.now()
        self._scope.change(delete(IdempotencyRow).where(*place, expired))
        if self._insert(tenant_id, key, request_sha256):
            return None
        row = self._scope.session.scalar(select(IdempotencyRow).where(*place))
        if row is None or row.body is None:
            if row is not None and row.request_sha256 != request_sha256:
                raise IdempotencyKeyReused
            raise IdempotencyKeyInUse
        if row.request_sha256 != request_sha256:
            raise IdempotencyKeyReused
        return StoredAnswer(row.body, row.location)

    def complete(self, tenant_id: str, key: str, answer: StoredAnswer, seconds: float) -> None:
        """Keep the answer of a request that created something."""
        self._scope.change(
            update(IdempotencyRow)
            .where(IdempotencyRow.tenant_id == tenant_id, IdempotencyRow.key == key)
            .values(
                body=answer.body,
                location=answer.location,
                expires_at=self._scope.after(seconds),
            )
        )

    def release(self, tenant_id: str, key: str) -> None:
        """Forget a request that created nothing: it may be corrected and sent again."""
        self._scope.change(
            delete(IdempotencyRow).where(
                IdempotencyRow.tenant_id == tenant_id,
                IdempotencyRow.key == key,
                IdempotencyRow.body.is_(None),
            )
        )

    def forget_expired(self) -> int:
        """Delete keys whose time is over; how many."""
        expired = IdempotencyRow.expires_at < self._scope.now()
        return self._scope.change(delete(IdempotencyRow).where(expired))

    def _insert(self, tenant_id: str, key: str, request_sha256: str) -> bool:
        row = IdempotencyRow(
            tenant_id=tenant_id,
            key=key,
            request_sha256=request_sha256,
            expires_at=self._scope.after(_IN_FLIGHT_SECONDS),
        )
        try:
            with self._scope.session.begin_nested():
                self._scope.session.add(row)
        except IntegrityError:
            return False
        return True
