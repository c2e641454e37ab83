"""How records show themselves in a notebook: small tables, every value escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from html import escape
from typing import Any, ClassVar, TypeVar

_LONGEST_VALUE = 400
_SHOWN_ROWS = 20


class Shown:
    """A record that notebooks show as a table of its fields."""

    table_columns: ClassVar[tuple[str, ...]] = ()
    """The fields of a table that has a row for each record; empty: all of them."""

    def _repr_html_(self) -> str:
        """The record as a table with a line for every field that says something."""
        return fields_html(type(self).__name__, dict(_fields_of(self)))


RecordType = TypeVar("RecordType", bound=Shown)


class Rows(list[RecordType]):
    """A list of records that notebooks show as one table."""

    def _repr_html_(self) -> str:
        """The first records as a table with a row each."""
        return rows_html(self)


def fields_html(title: str, values: Mapping[str, Any]) -> str:
    """A table with a line for every value that says something."""
    lines = [(escape(name), _cell(value)) for name, value in values.items() if value is not None]
    return _table(title, (), lines)


def rows_html(records: Sequence[Shown], *, more: bool = False) -> str:
    """A table with a row for each record; ``more`` says that there are others."""
    if not records:
        return _table("nothing", (), ())
    names = records[0].table_columns or tuple(name for name, _ in _fields_of(records[0]))
    shown = records[:_SHOWN_ROWS]
    lines = [[_cell(getattr(record, name)) for name in names] for record in shown]
    left = len(records) - len(shown)
    title = f"{type(records[0]).__name__}, {len(shown)} shown"
    if left or more:
        title += f", {left} more" if not more else ", and more"
    return _table(title, names, lines)


def _fields_of(record: Any) -> list[tuple[str, Any]]:
    names = (field.name for field in fields(record))
    return [(name, getattr(record, name)) for name in names if not name.startswith("_")]


def _table(title: str, names: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A table; names and title are escaped here, cells are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{_cells(line)}</tr>" for line in lines)
    return (
        f"<table><caption>{escape(title)}</caption>"
        f"{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>{body}</tbody></table>"
    )


def _cells(line: Iterable[str]) -> str:
    return "".join(f'<td style="text-align:left">{cell}</td>' for cell in line)


def _cell(value: Any) -> str:
    """A value as HTML. A fraction of something is also drawn as a bar."""
    fraction = getattr(value, "fraction", None)
    if isinstance(fraction, float):
        stage = escape(str(getattr(value, "stage", None) or ""))
        return f'<progress value="{fraction:.3f}" max="1"></progress> {fraction:.0%} {stage}'
    return escape(_text(value))


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if is_dataclass(value):
        return ", ".join(f"{name}: {_text(entry)}" for name, entry in _fields_of(value))
    if isinstance(value, Mapping):
        return _shortened(", ".join(f"{name}: {_text(entry)}" for name, entry in value.items()))
    if isinstance(value, tuple | list):
        return _shortened(", ".join(_text(entry) for entry in value))
    return _shortened(str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
