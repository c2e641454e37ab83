"""Uploads under way: a tenant has so many slots, over all processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends

from service.api.deps import Caller, Parts, PartsDep


@contextmanager
def upload_slot(parts: Parts, tenant_id: str, more: int = 1) -> Iterator[str]:
    """One of the tenant's slots, for so many bytes more than are counted already (at least)."""
    with parts.store.begin() as tx:
        slot_id = tx.quotas.open_slot(tenant_id, more)
    try:
        yield slot_id
    finally:
        with parts.store.begin() as tx:
            tx.quotas.close_slot(slot_id)


def _slot(caller: Caller, parts: PartsDep) -> Iterator[str]:
    """Held from before the body is read until the answer is made, not until it is sent."""
    with upload_slot(parts, caller.tenant_id) as slot_id:
        yield slot_id


def _slot_of_a_piece(caller: Caller, parts: PartsDep) -> Iterator[str]:
    """The same for bytes that were announced, and count as stored since then."""
    with upload_slot(parts, caller.tenant_id, more=0) as slot_id:
        yield slot_id


UploadSlot = Annotated[str, Depends(_slot, scope="function")]
"""Asked for by routes that take bytes; refused with 429, or 413 where nothing more fits."""
PieceSlot = Annotated[str, Depends(_slot_of_a_piece, scope="function")]
"""Asked for by routes that take bytes which were announced before; refused with 429."""
