"""Uploads under way: a tenant has so many slots, over all processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends

from service.api.deps import Caller, PartsDep


def _slot(caller: Caller, parts: PartsDep) -> Iterator[str]:
    """Held from before the body is read until the answer is made, not until it is sent."""
    with parts.store.begin() as tx:
        slot_id = tx.quotas.open_slot(caller.tenant_id)
    try:
        yield slot_id
    finally:
        with parts.store.begin() as tx:
            tx.quotas.close_slot(slot_id)


UploadSlot = Annotated[str, Depends(_slot, scope="function")]
"""Asked for by routes that take bytes; refused with 429, or 413 where nothing more fits."""
