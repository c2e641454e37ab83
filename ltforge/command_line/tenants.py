"""``ltforge tenants``: who uses the service, how much, and how much each may."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ltforge.command_line.database import known_tenant, operating

if TYPE_CHECKING:
    from service.store.store import Transaction

_PAGE = 500


def listing() -> list[dict[str, Any]]:
    """All tenants, oldest first, with what each has and may have."""
    with operating("tenants") as tx:
        found: list[dict[str, Any]] = []
        while page := tx.keys.tenants(_PAGE, found[-1]["id"] if found else None):
            found += [
                {"id": tenant.id, "name": tenant.name, **_standing(tx, tenant.id)}
                for tenant in page
            ]
        return found


def shown(*, tenant: str) -> dict[str, Any]:
    """What one tenant has and may have."""
    with operating("tenants") as tx:
        tenant_id = known_tenant(tx, tenant)
        return {"id": tenant_id, "name": tenant, **_standing(tx, tenant_id)}


def limited(*, tenant: str, changes: dict[str, int | None]) -> dict[str, Any]:
    """The tenant with some limits set; None: as the service's settings have it."""
    with operating("tenants") as tx:
        tenant_id = known_tenant(tx, tenant)
        tx.quotas.set_limits(tenant_id, changes)
        return {"id": tenant_id, "name": tenant, **_standing(tx, tenant_id)}


def _standing(tx: Transaction, tenant_id: str) -> dict[str, Any]:
    return {
        "limits": asdict(tx.quotas.limits(tenant_id)),
        "now": asdict(tx.quotas.standing(tenant_id)),
    }
