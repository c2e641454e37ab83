"""Tickets: look, fetch the file and pieces of it, work on them, delete."""

from __future__ import annotations

from service.domain import Job, JobKind, JobRequest, Ticket, TicketFilter
from service.store import Store
from service.usecases.contents import TicketContent
from service.usecases.pages import Page, cut_page


def get_ticket(store: Store, tenant_id: str, ticket_id: str) -> Ticket:
    """One ticket of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.tickets.get(tenant_id, ticket_id)


def list_tickets(
    store: Store, tenant_id: str, limit: int, after: str | None, wanted: TicketFilter
) -> Page[Ticket]:
    """A page of the tenant's tickets, newest first, of those that pass the filter."""
    with store.read() as tx:
        return cut_page(tx.tickets.list(tenant_id, limit + 1, after, wanted), limit)


def open_ticket_file(store: Store, tenant_id: str, ticket_id: str) -> tuple[TicketContent, str]:
    """The ticket's file, and its checkpoint's name as the tenant gave it; raises NotFound."""
    with store.read() as tx:
        ticket = tx.tickets.get(tenant_id, ticket_id)
        name = tx.checkpoints.name_of(tenant_id, ticket.checkpoint_id)
        lengths = tx.tickets.chunk_lengths(ticket.id)
    return TicketContent(store, ticket.id, ticket.sha256, lengths), name


def delete_ticket(store: Store, tenant_id: str, ticket_id: str) -> None:
    """Delete a ticket with its file and exports; raises NotFound."""
    with store.begin() as tx:
        tx.tickets.delete(tenant_id, ticket_id)


def verify_ticket(store: Store, tenant_id: str, ticket_id: str, max_attempts: int) -> Job:
    """Queue a job that checks a ticket against its checkpoint; raises NotFound."""
    with store.begin() as tx:
        ticket = tx.tickets.get(tenant_id, ticket_id)
        request = JobRequest(
            JobKind.VERIFY,
            {"ticket_id": ticket.id},
            ticket.checkpoint_id,
            max_attempts=max_attempts,
        )
        return tx.jobs.add(tenant_id, request)


def compare_tickets(
    store: Store, tenant_id: str, first: str, second: str, max_attempts: int
) -> Job:
    """Queue a job that puts two tickets beside each other; raises NotFound."""
    with store.begin() as tx:
        ids = [tx.tickets.get(tenant_id, ticket_id).id for ticket_id in (first, second)]
        spec = {"ticket_id": ids[0], "other_ticket_id": ids[1]}
        return tx.jobs.add(tenant_id, JobRequest(JobKind.COMPARE, spec, max_attempts=max_attempts))
