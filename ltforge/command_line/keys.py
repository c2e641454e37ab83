"""``ltforge keys``: how an operator lets somebody in, and out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ltforge.command_line.extras import needing
from ltforge.command_line.failures import CommandError

if TYPE_CHECKING:
    from service.store.store import Transaction

_SHOWN_PER_TENANT = 1000


def create(
    *,
    tenant: str,
    name: str,
    scopes: Sequence[str] = ("read", "write", "admin"),
    days: float | None = None,
) -> str:
    """A new API key of a tenant, who is created where missing; valid for some days, or for ever."""
    with _database() as tx:
        from datetime import UTC, datetime, timedelta  # noqa: PLC0415

        from service.domain import KeyScope  # noqa: PLC0415

        expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
        asked = [KeyScope(scope) for scope in scopes]
        _, text = tx.keys.add(tx.keys.ensure_tenant(tenant), name, asked, expires_at)
    return text


def rotate(*, tenant: str, key_id: str, grace_seconds: float) -> str:
    """A new secret for a key; the one before stays valid for the grace period."""
    with _database() as tx:
        return tx.keys.rotate(_known(tx, tenant), key_id, grace_seconds)[1]


def revoke(*, tenant: str, key_id: str) -> None:
    """End a key for good."""
    with _database() as tx:
        tx.keys.revoke(_known(tx, tenant), key_id)


def listing(*, tenant: str) -> list[dict[str, Any]]:
    """The keys of a tenant, newest first, without their secrets."""
    with _database() as tx:
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
            for key in tx.keys.list(_known(tx, tenant), _SHOWN_PER_TENANT)
        ]


def _shown(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat(timespec="seconds"))


def _known(tx: Transaction, tenant: str) -> str:
    tenant_id = tx.keys.find_tenant(tenant)
    if tenant_id is None:
        raise CommandError("NOT_FOUND", f"there is no tenant named {tenant!r}")
    return tenant_id


@contextmanager
def _database() -> Iterator[Transaction]:
    """A transaction on the configured database, as the operator."""
    with needing("keys"):
        from service.errors import ServiceError  # noqa: PLC0415
        from service.settings import Settings  # noqa: PLC0415
        from service.store import open_store  # noqa: PLC0415
        from service.store.actors import Actor, act_as  # noqa: PLC0415
        from service.store.schema import is_compatible  # noqa: PLC0415
    store = open_store(Settings().database_url)
    try:
        store.ping()
        if not is_compatible(store):
            raise CommandError(
                "DATABASE_NOT_MIGRATED",
                "the database has not this version's schema; run: python -m service.store.schema",
            )
        act_as(Actor())
        with store.begin() as tx:
            yield tx
    except ServiceError as error:
        raise CommandError(error.code, error.detail) from error
    finally:
        store.dispose()
