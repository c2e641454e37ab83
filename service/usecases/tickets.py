"""Tickets: look, and fetch the file in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from service.domain import Ticket
from service.store import Store
from service.usecases.pages import Page, cut_page


@dataclass(frozen=True, slots=True)
class TicketFile:
    """A ticket's file: the name of its checkpoint as the tenant gave it, and its bytes."""

    ticket: Ticket
    checkpoint_name: str
    chunks: Iterator[bytes]


def get_ticket(store: Store, tenant_id: str, ticket_id: str) -> Ticket:
    """One ticket of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.tickets.get(tenant_id, ticket_id)


def list_tickets(store: Store, tenant_id: str, limit: int, after: str | None) -> Page[Ticket]:
    """A page of the tenant's tickets, newest first."""
    with store.read() as tx:
        return cut_page(tx.tickets.list(tenant_id, limit + 1, after), limit)


def open_ticket_file(store: Store, tenant_id: str, ticket_id: str) -> TicketFile:
    """The ticket's file, to be read as fast as the client takes it; raises NotFound."""
    with store.read() as tx:
        ticket = tx.tickets.get(tenant_id, ticket_id)
        checkpoint = tx.checkpoints.get(tenant_id, ticket.checkpoint_id)
        count = tx.tickets.chunk_count(ticket.id)
    return TicketFile(ticket, checkpoint.name, _read_chunks(store, ticket.id, count))


def _read_chunks(store: Store, ticket_id: str, count: int) -> Iterator[bytes]:
    # A transaction per chunk: a slow client must not hold a connection, or SQLite's log, open.
    for index in range(count):
        with store.read() as tx:
            data = tx.tickets.read_chunk(ticket_id, index)
        yield data
