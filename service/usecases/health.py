"""Whether the service could do its work if it were asked to now."""

from __future__ import annotations

from service.errors import StorageUnavailable
from service.store import Store
from service.store.schema import is_compatible


def reasons_not_ready(store: Store) -> list[str]:
    """Why the service cannot work; empty when it can."""
    try:
        store.ping()
    except StorageUnavailable:
        return ["the database does not answer"]
    if not is_compatible(store):
        return ["the database's schema is older than this version expects; run the migrations"]
    return []
