"""``ltforge tickets``: finished tickets on the service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ltforge.command_line.printing import JsonOption, print_document, print_records
from ltforge.command_line.remote import remote_client

ticket_commands = typer.Typer(
    no_args_is_help=True, help="List, download, verify and delete tickets on the service."
)

TicketArgument = Annotated[str, typer.Argument(help="tkt_...")]
_COLUMNS = ("id", "job_id", "checkpoint_id", "bytes", "created_at")


@ticket_commands.command("list")
def list_tickets(
    checkpoint: Annotated[
        str | None, typer.Option("--checkpoint", help="Of this checkpoint alone.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List tickets, newest first."""
    with remote_client(as_json=as_json) as client:
        found = client.list_tickets(checkpoint=checkpoint).first(limit)
    print_records("tickets", found, _COLUMNS, as_json=as_json)


@ticket_commands.command("show")
def show(ticket: TicketArgument, as_json: JsonOption = False) -> None:
    """Show a ticket with its report."""
    with remote_client(as_json=as_json) as client:
        found = client.get_ticket(ticket)
    print_document(found.id, found, as_json=as_json)


@ticket_commands.command("download")
def download(
    ticket: TicketArgument,
    out: Annotated[Path, typer.Option("--out", help="Where the ticket file goes.")],
    as_json: JsonOption = False,
) -> None:
    """Download the ticket file and check its digest."""
    with remote_client(as_json=as_json) as client:
        path = client.download_mask(ticket, out)
    written = {"ticket": ticket, "file": str(path), "bytes": path.stat().st_size}
    print_document(ticket, written, as_json=as_json)


@ticket_commands.command("verify")
def verify(ticket: TicketArgument, as_json: JsonOption = False) -> None:
    """Have the service verify a ticket; exit status 1 if it is not one."""
    with remote_client(as_json=as_json) as client:
        verdict = client.verify(ticket)
    print_document(ticket, verdict, as_json=as_json)
    raise typer.Exit(0 if verdict["valid"] else 1)


@ticket_commands.command("delete")
def delete(ticket: TicketArgument, as_json: JsonOption = False) -> None:
    """Delete a ticket with its file and exports, for good."""
    with remote_client(as_json=as_json) as client:
        client.delete_ticket(ticket)
    print_document(ticket, {"deleted": ticket}, as_json=as_json)
