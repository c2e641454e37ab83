"""``ltforge create-key``: how an operator lets somebody in."""

from __future__ import annotations

from ltforge.command_line.extras import needing
from ltforge.command_line.failures import CommandError


def create_key(*, tenant: str, name: str) -> str:
    """A new API key of a tenant, who is created where missing, in the configured database."""
    with needing("create-key"):
        from service.errors import ServiceError  # noqa: PLC0415
        from service.settings import Settings  # noqa: PLC0415
        from service.store import open_store  # noqa: PLC0415
        from service.store.schema import is_current  # noqa: PLC0415
    store = open_store(Settings().database_url)
    try:
        store.ping()
        if not is_current(store):
            raise CommandError(
                "DATABASE_NOT_MIGRATED",
                "the database has not this version's schema; run: python -m service.store.schema",
            )
        with store.begin() as tx:
            _, text = tx.keys.add(tx.keys.ensure_tenant(tenant), name)
        return text
    except ServiceError as error:
        raise CommandError(error.code, error.detail) from error
    finally:
        store.dispose()
