"""``ltforge worker``, ``migrate``, ``gc`` and ``doctor``: for who runs the service."""

from __future__ import annotations

import typer

from ltforge.command_line.failures import named_failures
from ltforge.command_line.printing import JsonOption, print_document, print_json


def worker() -> None:
    """Run a worker on the configured database and broker, until SIGTERM or Ctrl-C."""
    with named_failures(as_json=False):
        from ltforge.command_line import serving  # noqa: PLC0415

        serving.work()


def migrate(as_json: JsonOption = False) -> None:
    """Bring the configured database to this version's schema; safe to repeat."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import serving  # noqa: PLC0415

        document = serving.migrate()
    print_document("database", document, as_json=as_json)


def gc(as_json: JsonOption = False) -> None:
    """Delete what retention allows to, and bytes that nothing needs, as the housekeeper does."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import serving  # noqa: PLC0415

        document = serving.collect_garbage()
    print_document("garbage", document, as_json=as_json)


def doctor(as_json: JsonOption = False) -> None:
    """Examine this installation; exit status 1 if something keeps it from working."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import examination  # noqa: PLC0415

        findings = examination.examine()
    if as_json:
        print_json({"healthy": examination.healthy(findings), "findings": findings})
    else:
        for finding in findings:
            mark = {"ok": "ok     ", "warning": "warning", "fault": "FAULT  "}[finding.state]
            typer.echo(f"{mark}  {finding.what}: {finding.detail}")
            if finding.remedy:
                typer.echo(f"         -> {finding.remedy}")
    raise typer.Exit(0 if examination.healthy(findings) else 1)
