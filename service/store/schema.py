"""Brings a database to the newest schema. `python -m service.store.schema` is the migrate step."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.pool import ConnectionPoolEntry

from service.errors import ServiceError
from service.settings import Settings
from service.store.engine import named_failures, open_engine, reading, writing
from service.store.store import Store

_Action = Callable[[Config], None]

# Any number will do, as long as all migrations of this application use the same one.
_ADVISORY_LOCK = 4_771_200_001


def upgrade(database_url: str, revision: str = "head") -> None:
    """Apply the migrations up to a revision; waits for another process that does the same."""
    _migrate(database_url, lambda configuration: command.upgrade(configuration, revision))


def downgrade(database_url: str, revision: str) -> None:
    """Undo the migrations down to a revision (`base`: all of them)."""
    _migrate(database_url, lambda configuration: command.downgrade(configuration, revision))


def is_compatible(store: Store) -> bool:
    """Whether the database's schema is the one that this code expects, or a later one.

    Migrations only add to what the release before knows, so that its processes go on while others
    are replaced. A revision unknown here is a later one.

    Raises StorageUnavailable if it does not answer.
    """
    script = ScriptDirectory.from_config(_configuration())
    known = {revision.revision for revision in script.walk_revisions()}
    with named_failures(), reading(store.engine).connect() as connection:
        found = set(MigrationContext.configure(connection).get_current_heads())
    return bool(found) and (found == set(script.get_heads()) or not found & known)


def _migrate(database_url: str, action: _Action) -> None:
    if database_url.startswith("sqlite:///"):
        Path(database_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = open_engine(database_url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _leave_references)
    try:
        with writing(engine).begin() as connection:
            _lock(connection)
            configuration = _configuration()
            configuration.attributes["connection"] = connection
            action(configuration)
            _check_references(connection)
    finally:
        engine.dispose()


def _leave_references(connection: Any, _entry: ConnectionPoolEntry) -> None:
    """SQLite alters a table by building it anew: what refers to it must wait for that."""
    connection.execute("PRAGMA foreign_keys = OFF")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        raise ServiceError(f"The migration would break references: {broken[:5]}")


def _lock(connection: Connection) -> None:
    """SQLite's write lock is held already; PostgreSQL is asked for one of ours."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))


def _configuration() -> Config:
    found = importlib.util.find_spec("migrations")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("the package 'migrations' is not installed")
    configuration = Config()
    configuration.set_main_option("script_location", found.submodule_search_locations[0])
    return configuration


def main() -> None:
    """Migrate the database that the environment names."""
    upgrade(Settings().database_url)


if __name__ == "__main__":
    main()
