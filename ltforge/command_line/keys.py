"""``ltforge keys``: how an operator lets somebody in, and out again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ltforge.command_line.database import known_tenant, operating

_SHOWN_PER_TENANT = 1000


def create(
    *,
    tenant: str,
    name: str,
    scopes: Sequence[str] = ("read", "write", "admin"),
    days: float | None = None,
) -> str:
    """A new API key of a tenant, who is created where missing; valid for some days, or for ever."""
    with operating("keys") as tx:
        from datetime import UTC, datetime, timedelta  # noqa: PLC0415

        from service.domain import KeyScope  # noqa: PLC0415

        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        asked = [KeyScope(scope) for scope in scopes]
        _, text = tx.keys.add(tx.keys.ensure_tenant(tenant), name, asked, expires_at)
    return text


def rotate(*, tenant: str, key_id: str, grace_seconds: float) -> str:
    """A new secret for a key; the one before stays valid for the grace period."""
    with operating("keys") as tx:
        return tx.keys.rotate(known_tenant(tx, tenant), key_id, grace_seconds)[1]


def revoke(*, tenant: str, key_id: str) -> None:
    """End a key for good."""
    with operating("keys") as tx:
        tx.keys.revoke(known_tenant(tx, tenant), key_id)


def listing(*, tenant: str) -> list[dict[str, Any]]:
    """The keys of a tenant, newest first, without their secrets."""
    with operating("keys") as tx:
        return [
            {
                "id": key.id,
                "name": key.name,
                "scopes": list(key.scopes),
                "created_at": _shown(key.created_at),
                "expires_at": _shown(key.expires_at),
                "last_used_at": _shown(key.last_used_at),
                "revoked_at": _shown(key.revoked_at),
            }
            for key in tx.keys.list(known_tenant(tx, tenant), _SHOWN_PER_TENANT)
        ]


def _shown(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat(timespec="seconds"))
