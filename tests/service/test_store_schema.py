"""The migrations are the schema."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from service.store import open_store
from service.store.schema import downgrade, is_compatible, upgrade
from service.store.tables import Row


def differences(database_url: str) -> list[object]:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Row.metadata)
    engine.dispose()
    return list(found)


def tables(database_url: str) -> set[str]:
    engine = create_engine(database_url)
    found = set(inspect(engine).get_table_names()) - {"alembic_version"}
    engine.dispose()
    return found


def constraints(database_url: str) -> dict[str, set[str | None]]:
    engine = create_engine(database_url)
    inspector = inspect(engine)
    found = {
        table: {check["name"] for check in inspector.get_check_constraints(table)}
        for table in inspector.get_table_names()
    }
    engine.dispose()
    return found


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("empty_postgres_url"))
    return f"sqlite:///{tmp_path}/deeper/state.sqlite"


def test_the_migrations_build_exactly_the_tables_that_the_models_describe(empty_url: str) -> None:
    upgrade(empty_url)

    assert differences(empty_url) == []
    assert constraints(empty_url)["jobs"] == {
        "ck_jobs_status",
        "ck_jobs_kind",
        "ck_jobs_checkpoint",
        "ck_jobs_replicates",
    }


def test_up_down_up_ends_where_up_ends(empty_url: str) -> None:
    upgrade(empty_url)
    downgrade(empty_url, "base")

    assert tables(empty_url) == set()

    upgrade(empty_url)

    assert differences(empty_url) == []


def test_a_database_knows_whether_its_schema_is_the_expected_one(empty_url: str) -> None:
    upgrade(empty_url)
    store = open_store(empty_url)

    assert is_compatible(store)

    downgrade(empty_url, "base")

    assert not is_compatible(store)
    store.dispose()
