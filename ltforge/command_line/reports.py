"""Reports for people: one column a ticket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

Report = Mapping[str, Any]


def _number(value: float | None, form: str = ",") -> str:
    return "-" if value is None else format(value, form)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f} %"


def _accuracy(report: Report, name: str) -> str:
    return _percent((report.get("accuracy") or {}).get(name))


def _widths(report: Report) -> str:
    return " ".join(str(width) for width in report["source"]["widths"])


ROWS: tuple[tuple[str, Callable[[Report], str]], ...] = (
    ("target accuracy", lambda report: _accuracy(report, "target")),
    ("ticket accuracy", lambda report: _accuracy(report, "ticket")),
    ("agreement", lambda report: _accuracy(report, "agreement")),
    ("target parameters", lambda report: _number(report["target"]["parameters"])),
    ("ticket parameters", lambda report: _number(report["ticket"]["parameters"])),
    ("source parameters", lambda report: _number(report["source"]["parameters"])),
    ("source widths", _widths),
    ("problems", lambda report: _number(report["problems"]["total"])),
    ("unsolved", lambda report: _number(report["problems"]["unsolved"])),
    ("subset size, mean", lambda report: _number(report["subset_size"]["mean"], ".3f")),
    ("largest parameter error", lambda r: _number(r["error"]["largest_parameter"], ".8f")),
    ("certified output error", lambda report: _number(report["error"]["certified"], ".4g")),
    ("observed output error", lambda report: _number(report["error"].get("observed"), ".4g")),
    ("ticket file, bytes", lambda report: _number(report["ticket"]["file_bytes"])),
    ("seconds", lambda report: _number(report["seconds"]["total"], ".2f")),
    ("device", lambda report: escape(str(report["device"]))),
    ("digest", lambda report: f"{report['ticket']['digest'][:16]}…"),
)
"""Each line of a report: what it is called and how it is read."""


def report_table(title: str, reports: Mapping[str, Report]) -> Table:
    """The reports side by side, under the names they are given."""
    table = Table(title=escape(title), title_justify="left")
    table.add_column("")
    for name in reports:
        table.add_column(escape(name), justify="right")
    for label, read in ROWS:
        table.add_row(label, *(read(report) for report in reports.values()))
    return table


def plain_table(title: str, document: Mapping[str, Any]) -> Table:
    """Any JSON object, one line a value, nested names joined by dots."""
    table = Table(title=escape(title), title_justify="left", show_header=False)
    table.add_column()
    table.add_column()
    for name, value in _flattened(document):
        table.add_row(escape(name), escape(value))
    return table


def _flattened(document: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in document.items():
        if isinstance(value, Mapping):
            lines += _flattened(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            lines.append((prefix + name, " ".join(str(item) for item in value)))
        else:
            lines.append((prefix + name, str(value)))
    return lines
