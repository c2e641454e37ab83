"""What a command prints: JSON on stdout where asked, else tables for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def print_json(document: Any) -> None:
    """One JSON value on stdout."""
    typer.echo(json.dumps(plain(document)))


def print_document(title: str, document: Any, *, as_json: bool) -> None:
    """A JSON object, or a table with a line a value."""
    if as_json:
        print_json(document)
        return
    from rich.console import Console  # noqa: PLC0415

    from ltforge.command_line.reports import plain_table  # noqa: PLC0415

    Console().print(plain_table(title, plain(document)))


def print_records(
    title: str, records: Iterable[Any], names: Sequence[str], *, as_json: bool
) -> None:
    """A JSON array, or a table with a row a record and these columns."""
    if as_json:
        print_json(list(records))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=escape(title), title_justify="left")
    for name in names:
        # Ids are for copying: they are never cut.
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for record in records:
        table.add_row(*(escape(_cell(getattr(record, name))) for name in names))
    Console().print(table)


def plain(value: Any) -> Any:
    """Records as JSON data; what begins with an underscore is not the service's."""
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value))
        return {name: plain(getattr(value, name)) for name in names if not name.startswith("_")}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return str(value) if isinstance(value, Path) else value


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    fraction = getattr(value, "fraction", None)
    if isinstance(fraction, float):
        return f"{fraction:.0%}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    return f"{value:,}" if type(value) is int else str(value)
