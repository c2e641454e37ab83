"""Lists on the wire: a page of records and the cursor of the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from service.api.deps import PageRequest, Parts
from service.api.schemas import PageOf
from service.usecases.pages import HasId, Page

Record = TypeVar("Record", bound=HasId)
Resource = TypeVar("Resource")


def send_page(
    parts: Parts,
    scope: str,
    asked: PageRequest,
    fetch: Callable[[int, str | None], Page[Record]],
    resource: Callable[[Record], Resource],
) -> PageOf[Resource]:
    """Fetch the page that was asked for. `scope` names tenant, list and filters."""
    after = None if asked.cursor is None else parts.cursors.decode(scope, asked.cursor)
    page = fetch(asked.limit, after)
    following = None if page.next_after is None else parts.cursors.encode(scope, page.next_after)
    return PageOf(data=[resource(record) for record in page.items], next_cursor=following)
