"""The commands on finished tickets: export and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ltforge.command_line.arguments import existing_file, writable_place
from ltforge.command_line.failures import CommandError
from ltforge.extras import needing


def export(ticket: str, form: str, out: Path) -> dict[str, Any]:
    """Write the network of a ticket file, or of a ticket on the service; what was written."""
    if _on_the_service(ticket):
        return _export_remote(ticket, form, out)
    return _export_file(Path(ticket), form, out)


def _on_the_service(ticket: str) -> bool:
    """An id, unless a file has that name."""
    return ticket.startswith("tkt_") and not Path(ticket).exists()


def _export_remote(ticket: str, form: str, out: Path) -> dict[str, Any]:
    from ltforge.client import Client  # noqa: PLC0415 - loads httpx

    writable_place(out, inputs=[])
    with Client.from_environment() as client:
        path = client.export_ticket(ticket, form, out)
    return {"ticket": ticket, "format": form, "bytes": path.stat().st_size}


def _export_file(ticket: Path, form: str, out: Path) -> dict[str, Any]:
    writable_place(out, inputs=[existing_file(ticket, "ticket")])
    with needing("export"):
        from ltengine.export.formats import ExportFormat  # noqa: PLC0415

        if form not in list(ExportFormat):
            known = ", ".join(ExportFormat)
            raise CommandError("UNKNOWN_FORMAT", f"there is no format {form!r}; use one of {known}")
        from ltengine.export.writing import export_ticket  # noqa: PLC0415
    return export_ticket(ticket, ExportFormat(form), out)


def compare(first: str, second: str) -> dict[str, Any]:
    """Specs, kept cells and common cells of two ticket files, or of two on the service."""
    remote = [_on_the_service(ticket) for ticket in (first, second)]
    if all(remote):
        from ltforge.client import Client  # noqa: PLC0415 - loads httpx

        with Client.from_environment() as client:
            return client.compare(first, second)
    if any(remote):
        raise CommandError(
            "MIXED_TICKETS",
            "one ticket is a file and one is on the service; "
            "download it first: ltforge tickets download",
        )
    for ticket in (first, second):
        existing_file(Path(ticket), "ticket")
    with needing("compare"):
        from ltengine.comparison import compare_files  # noqa: PLC0415
    return compare_files(Path(first), Path(second))
