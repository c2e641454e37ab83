"""Databases in use pass every migration, forwards and backwards, and lose nothing on the way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import CheckConstraint, MetaData, create_engine, inspect, text

import migrations
from service.store.engine import open_engine, writing
from service.store.schema import downgrade, upgrade
from service.store.tables import Row
from tests.service.migration_rows import NEW_VALUES, ROWS, UNKNOWN_BEFORE

Contents = dict[str, list[dict[str, Any]]]
"""All rows of a database, by table."""


def configuration() -> Config:
    found = Config()
    found.set_main_option("script_location", str(Path(migrations.__path__[0])))
    return found


REVISIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(configuration()).walk_revisions()))
]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("empty_postgres_url"))
    return f"sqlite:///{tmp_path}/state.sqlite"


def read(database_url: str) -> Contents:
    """Everything, as the database itself has it: the models know the last revision alone."""
    engine = open_engine(database_url)
    with engine.connect() as connection:
        contents = {
            table: [
                dict(row)
                for row in connection.execute(
                    text(f'SELECT * FROM "{table}" ORDER BY 1, 2')
                ).mappings()
            ]
            for table in inspect(connection).get_table_names()
            if table != "alembic_version"
        }
    engine.dispose()
    return contents


def insert(database_url: str, revision: str) -> None:
    engine, described = open_engine(database_url), MetaData()
    with writing(engine).begin() as connection:
        described.reflect(
            connection, only=[table for table, _ in ROWS[revision]], resolve_fks=False
        )
        for table, row in ROWS[revision]:
            connection.execute(described.tables[table].insert().values(row))
    engine.dispose()


def assert_kept(older: Contents, newer: Contents, without: set[tuple[str, str]]) -> None:
    """The newer schema's contents are the older's, but for what only the newer can hold.

    `without` names rows that the older lacks.
    """
    for table, rows in older.items():
        columns = set(rows[0])
        expected = [
            {name: value for name, value in row.items() if name in columns}
            for row in newer[table]
            if (table, next(iter(row.values()))) not in without
        ]
        assert rows == expected, table


def assert_new_columns_are_empty(older: Contents, newer: Contents) -> None:
    for table, rows in older.items():
        for row in newer[table]:
            for column in row.keys() - rows[0].keys():
                assert row[column] == NEW_VALUES.get((table, column)), (table, column)


def test_rows_survive_every_step_up_down_and_up_again(empty_url: str) -> None:
    before: Contents = {}
    for number, revision in enumerate(REVISIONS):
        upgrade(empty_url, revision)
        if before:
            risen = read(empty_url)
            assert_kept(before, risen, set())
            assert_new_columns_are_empty(before, risen)
        assert revision in ROWS, f"tests/service/migration_rows.py lacks rows of {revision}"
        insert(empty_url, revision)
        full = read(empty_url)

        downgrade(empty_url, REVISIONS[number - 1] if number else "base")

        lost = UNKNOWN_BEFORE.get(revision, set())
        fallen = read(empty_url)
        assert fallen.keys() == before.keys()
        assert_kept(fallen, full, lost)

        upgrade(empty_url, revision)

        risen = read(empty_url)
        assert risen.keys() == full.keys()
        assert_kept(fallen, risen, set())
        assert_new_columns_are_empty(fallen, risen)
        insert_again(empty_url, revision, risen)
        before = read(empty_url)
    assert_every_column_was_filled(before)


def insert_again(database_url: str, revision: str, present: Contents) -> None:
    """The revision's rows that the way down did not leave, so that the next step moves them too."""
    keys = {table: {tuple(_key(table, row)) for row in rows} for table, rows in present.items()}
    engine, described = open_engine(database_url), MetaData()
    with writing(engine).begin() as connection:
        described.reflect(
            connection, only=[table for table, _ in ROWS[revision]], resolve_fks=False
        )
        for table, row in ROWS[revision]:
            own = described.tables[table]
            key = [own.c[column.name] == row[column.name] for column in own.primary_key.columns]
            if tuple(_key(table, row)) in keys[table]:
                connection.execute(own.update().where(*key).values(row))
            else:
                connection.execute(own.insert().values(row))
    engine.dispose()


def _key(table: str, row: Mapping[str, Any]) -> list[Any]:
    return [row[column.name] for column in Row.metadata.tables[table].primary_key.columns]


def assert_every_column_was_filled(contents: Contents) -> None:
    for table in Row.metadata.sorted_tables:
        for column in table.columns:
            values = [row[column.name] for row in contents[table.name]]
            assert any(value is not None for value in values), f"{table.name}.{column.name}"


def test_all_the_way_down_and_up_with_rows(empty_url: str) -> None:
    for revision in REVISIONS:
        upgrade(empty_url, revision)
        insert(empty_url, revision)
    full = read(empty_url)

    downgrade(empty_url, REVISIONS[0])
    first = read(empty_url)
    upgrade(empty_url)

    assert_kept(first, full, set().union(*UNKNOWN_BEFORE.values()))
    assert_kept(first, read(empty_url), set())


def test_alembic_finds_nothing_to_do(empty_url: str) -> None:
    upgrade(empty_url)
    engine = create_engine(empty_url)
    asked = configuration()

    with engine.connect() as connection:
        asked.attributes["connection"] = connection
        asked.attributes["target_metadata"] = Row.metadata
        command.check(asked)
    engine.dispose()


def test_migrated_tables_have_the_checks_of_the_models(empty_url: str) -> None:
    """Alembic compares no checks, and SQLite's rebuilt tables lose them."""
    upgrade(empty_url)
    engine = create_engine(empty_url)
    found = inspect(engine)

    for table in Row.metadata.sorted_tables:
        checks = [one for one in table.constraints if isinstance(one, CheckConstraint)]
        expected = {str(one.name) for one in checks}
        assert {one["name"] for one in found.get_check_constraints(table.name)} == expected
    engine.dispose()
