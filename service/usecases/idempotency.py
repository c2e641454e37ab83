"""Requests that may be sent twice: done once, and answered alike both times."""

from __future__ import annotations

from service.store import Store
from service.store.idempotency import StoredAnswer


def reserve_key(store: Store, tenant_id: str, key: str, request_sha256: str) -> StoredAnswer | None:
    """The answer of the same request made before; None: go on, the key is reserved.

    Raises IdempotencyKeyReused, IdempotencyKeyInUse.
    """
    with store.begin() as tx:
        return tx.idempotency.reserve(tenant_id, key, request_sha256)


def keep_answer(
    store: Store, tenant_id: str, key: str, body: bytes, location: str | None, seconds: float
) -> None:
    """Keep the answer of a request that created something."""
    with store.begin() as tx:
        tx.idempotency.complete(tenant_id, key, StoredAnswer(body, location), seconds)


def release_key(store: Store, tenant_id: str, key: str) -> None:
    """Forget a request that was refused."""
    with store.begin() as tx:
        tx.idempotency.release(tenant_id, key)
