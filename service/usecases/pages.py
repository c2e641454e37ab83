"""Pages of lists, newest first, by the last id seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class HasId(Protocol):
    """A record with an id."""

    @property
    def id(self) -> str:
        """The id, by which lists are ordered."""


Record = TypeVar("Record", bound=HasId)


@dataclass(frozen=True, slots=True)
class Page(Generic[Record]):
    """Some records, and the id after which the next page begins (None: there is none)."""

    items: Sequence[Record]
    next_after: str | None


def cut_page(found: Sequence[Record], limit: int) -> Page[Record]:
    """A page of at most `limit` from a search for one record more than that."""
    items = found[:limit]
    return Page(items, items[-1].id if len(found) > limit else None)
