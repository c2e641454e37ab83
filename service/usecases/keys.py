"""API keys: make, look, change, rotate, revoke; and what was done with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.domain import ApiKey, AuditEntry, KeyScope, Tenant
from service.store import Store
from service.usecases.pages import Page, cut_page


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A key and its text, which is shown once."""

    key: ApiKey
    text: str


def create_key(
    store: Store,
    tenant_id: str,
    name: str,
    scopes: Collection[KeyScope],
    expires_at: datetime | None,
) -> NewSecret:
    """A new key of the tenant."""
    with store.begin() as tx:
        return NewSecret(*tx.keys.add(tenant_id, name, scopes, expires_at))


def get_key(store: Store, tenant_id: str, key_id: str) -> ApiKey:
    """One key of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.keys.get(tenant_id, key_id)


def list_keys(store: Store, tenant_id: str, limit: int, after: str | None) -> Page[ApiKey]:
    """A page of the tenant's keys, newest first."""
    with store.read() as tx:
        return cut_page(tx.keys.list(tenant_id, limit + 1, after), limit)


def change_key(store: Store, tenant_id: str, key_id: str, changes: dict[str, Any]) -> ApiKey:
    """Set a key's name, scopes or expiry; raises NotFound."""
    with store.begin() as tx:
        return tx.keys.change(tenant_id, key_id, changes)


def rotate_key(store: Store, tenant_id: str, key_id: str, grace_seconds: float) -> NewSecret:
    """A new secret; the one before stays valid for the grace period. Raises NotFound."""
    with store.begin() as tx:
        return NewSecret(*tx.keys.rotate(tenant_id, key_id, grace_seconds))


def revoke_key(store: Store, tenant_id: str, key_id: str) -> None:
    """End a key for good; raises NotFound."""
    with store.begin() as tx:
        tx.keys.revoke(tenant_id, key_id)


def get_tenant(store: Store, tenant_id: str) -> Tenant:
    """The tenant of a key."""
    with store.read() as tx:
        return tx.keys.tenant(tenant_id)


def list_audit_entries(
    store: Store,
    tenant_id: str,
    limit: int,
    after: str | None,
    subject_id: str | None,
    key_id: str | None,
) -> Page[AuditEntry]:
    """A page of the tenant's audit log, newest first."""
    with store.read() as tx:
        return cut_page(tx.audit.list(tenant_id, limit + 1, after, subject_id, key_id), limit)
