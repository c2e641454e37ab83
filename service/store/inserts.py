"""New rows, sent to the server together: the way there and back is what a submission waits for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, cast

from sqlalchemy import Connection, Insert, Table, bindparam, insert

from service.store.tables import Row

# Statements for more rows than a single job leaves would be many and long.
_MOST_TOGETHER = 8


def insert_rows(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert the rows, in their order where one table needs another; no session knows them.

    A session's own way costs several times as much. PostgreSQL takes a few rows of several tables
    in one statement; else there is one for each run of rows of a table.
    """
    if connection.dialect.name == "postgresql" and 1 < len(rows) <= _MOST_TOGETHER:
        values = {
            f"{name}_{index}": value
            for index, row in enumerate(rows)
            for name, value in _values(row).items()
        }
        connection.execute(_together(tuple(_table(row) for row in rows)), values)
        return
    for table, group in groupby(rows, _table):
        connection.execute(insert(table), [_values(row) for row in group])


@lru_cache(maxsize=256)
def _together(tables: tuple[Table, ...]) -> Insert:
    """One statement that inserts a row into each; foreign keys are checked at its end."""
    *others, last = [
        insert(table).values(
            {
                column.name: bindparam(f"{column.key}_{index}", type_=column.type)
                for column in table.columns
            }
        )
        for index, table in enumerate(tables)
    ]
    return last.add_cte(*(other.cte(f"row_{index}") for index, other in enumerate(others)))


def _table(row: Row) -> Table:
    return cast("Table", row.__table__)


def _values(row: Row) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in _table(row).columns}
