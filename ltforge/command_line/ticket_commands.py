"""The commands on finished tickets: export and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ltforge.command_line.arguments import existing_file, writable_place
from ltforge.command_line.failures import CommandError
from ltforge.extras import needing


def export(ticket: Path, form: str, out: Path) -> dict[str, Any]:
    """Write the ticket's network in another format; what was written."""
    writable_place(out, inputs=[existing_file(ticket, "ticket")])
    with needing("export"):
        from ltengine.export.formats import ExportFormat  # noqa: PLC0415

        if form not in list(ExportFormat):
            known = ", ".join(ExportFormat)
            raise CommandError("UNKNOWN_FORMAT", f"there is no format {form!r}; use one of {known}")
        from ltengine.export.writing import export_ticket  # noqa: PLC0415
    return export_ticket(ticket, ExportFormat(form), out)


def compare(first: Path, second: Path) -> dict[str, Any]:
    """Specs, kept cells and common cells of two tickets."""
    for ticket in (first, second):
        existing_file(ticket, "ticket")
    with needing("compare"):
        from ltengine.comparison import compare_files  # noqa: PLC0415
    return compare_files(first, second)
