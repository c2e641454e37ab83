"""Who acts now. Set once per request or command; work that nobody asked for has no actor."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A key in a request, part of a trace or not; or, all None, an operator on the command line."""

    key_id: str | None = None
    request_id: str | None = None
    traceparent: str | None = None


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


def act_as(actor: Actor) -> None:
    """From here on, in this context, changes are made by this actor."""
    _actor.set(actor)


def current_actor() -> Actor | None:
    """Who makes the changes of this context."""
    return _actor.get()
