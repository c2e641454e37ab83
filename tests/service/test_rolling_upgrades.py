"""While processes are replaced, those of the release before work on the new schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text

from service.store import open_store
from service.store.schema import downgrade, is_compatible, upgrade
from tests.service.test_store_migrations import REVISIONS, insert

CONTRACTING: dict[str, set[str]] = {}
"""What a revision takes away, by name: only what the code of the release before no longer uses."""

Shape = dict[str, dict[str, Any]]
"""What writers of a table have to know: its columns, and what must be unique or exist elsewhere."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("empty_postgres_url"))
    return f"sqlite:///{tmp_path}/state.sqlite"


def shape(database_url: str) -> Shape:
    engine = create_engine(database_url)
    inspector = inspect(engine)
    found: Shape = {
        table: {
            "columns": {column["name"]: column for column in inspector.get_columns(table)},
            "rules": {
                *(key["name"] for key in inspector.get_unique_constraints(table)),
                *(key["name"] for key in inspector.get_foreign_keys(table)),
                *(index["name"] for index in inspector.get_indexes(table) if index["unique"]),
            },
        }
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return found


def taken_away(older: Shape, newer: Shape) -> set[str]:
    """What a process that knows the older shape would miss or offend, by name."""
    found = {table for table in older if table not in newer}
    for table in older.keys() & newer.keys():
        before, after = older[table]["columns"], newer[table]["columns"]
        found |= {f"{table}.{name}" for name in before if name not in after}
        for name, column in after.items():
            old = before.get(name)
            required = not column["nullable"] and column["default"] is None
            narrowed = old is not None and str(old["type"]) != str(column["type"])
            if narrowed or (required and (old is None or old["nullable"])):
                found.add(f"{table}.{name}")
        found |= {f"{table}:{rule}" for rule in newer[table]["rules"] - older[table]["rules"]}
    return found


def test_migrations_take_nothing_away_from_the_release_before(empty_url: str) -> None:
    upgrade(empty_url, REVISIONS[0])
    before = shape(empty_url)
    for revision in REVISIONS[1:]:
        upgrade(empty_url, revision)
        after = shape(empty_url)

        assert taken_away(before, after) == CONTRACTING.get(revision, set()), revision
        before = after


def test_what_migrations_must_not_do_is_noticed(tmp_path: Path) -> None:
    """Dropping, renaming, requiring and narrowing, each by itself."""
    url = f"sqlite:///{tmp_path}/state.sqlite"
    engine = create_engine(url)
    with engine.begin() as connection:
        for name in ("gone", "kept", "strict"):
            connection.execute(text(f"CREATE TABLE {name} (id TEXT PRIMARY KEY, a TEXT, b TEXT)"))
    before = shape(url)
    with engine.begin() as connection:
        for statement in (
            "DROP TABLE gone",
            "DROP TABLE strict",
            "CREATE TABLE strict (id TEXT PRIMARY KEY, a TEXT, b TEXT NOT NULL, c TEXT NOT NULL)",
            "ALTER TABLE kept RENAME COLUMN a TO c",
            "ALTER TABLE kept DROP COLUMN b",
            "ALTER TABLE kept ADD COLUMN b INTEGER",
            "CREATE UNIQUE INDEX only_once ON kept (c)",
        ):
            connection.execute(text(statement))
    engine.dispose()

    assert taken_away(before, shape(url)) == {
        "gone",
        "kept.a",
        "kept.b",
        "kept:only_once",
        "strict.b",
        "strict.c",
    }


def test_rows_written_by_the_release_before_are_taken_by_the_next_schema(empty_url: str) -> None:
    for number in range(1, len(REVISIONS)):
        upgrade(empty_url, REVISIONS[number])
        for revision in REVISIONS[:number]:
            insert(empty_url, revision)
        downgrade(empty_url, "base")


def test_a_process_stays_ready_when_the_database_is_ahead_of_it(empty_url: str) -> None:
    upgrade(empty_url)
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    engine.dispose()
    store = open_store(empty_url)

    assert is_compatible(store)

    store.dispose()


def test_a_process_is_not_ready_when_the_database_is_behind_it(empty_url: str) -> None:
    upgrade(empty_url, REVISIONS[-2])
    store = open_store(empty_url)

    assert not is_compatible(store)

    store.dispose()
