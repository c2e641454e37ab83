"""The metrics of one tenant, or of the whole service."""

from __future__ import annotations

from service.store import Store
from service.store.census import Census


def count_everything(store: Store, tenant_id: str | None) -> Census:
    """What one tenant has, or (None) everybody, now."""
    with store.read() as tx:
        return tx.census.take(tenant_id)
