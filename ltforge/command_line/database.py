"""The service's database, for commands of its operator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ltforge.command_line.failures import CommandError
from ltforge.extras import needing

if TYPE_CHECKING:
    from service.store.store import Transaction


@contextmanager
def operating(command: str) -> Iterator[Transaction]:
    """A transaction on the configured database, as the operator.

    Args:
        command: who asks, for the message where the server's packages are missing.

    Raises:
        CommandError: the database does not answer, is not migrated, or refuses what is done.
    """
    with needing(command):
        from service.errors import ServiceError  # noqa: PLC0415
        from service.settings import Settings  # noqa: PLC0415
        from service.store import open_store  # noqa: PLC0415
        from service.store.actors import Actor, act_as  # noqa: PLC0415
        from service.store.schema import is_compatible  # noqa: PLC0415
    settings = Settings()
    store = open_store(settings.database_url, settings.limits)
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


def known_tenant(tx: Transaction, tenant: str) -> str:
    """The id of the tenant with this name; raises CommandError."""
    tenant_id = tx.keys.find_tenant(tenant)
    if tenant_id is None:
        raise CommandError("NOT_FOUND", f"there is no tenant named {tenant!r}")
    return tenant_id
