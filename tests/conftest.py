"""Databases, stores and brokers for tests: real ones, each test in a clean state."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from service.store import Store, open_store
from service.store.schema import upgrade
from service.store.tables import Row
from tests.rabbitmq import temporary_vhost

DEFAULT_POSTGRES_URL = "postgresql://postgres@127.0.0.1:5432/postgres"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"


def postgres_server() -> str:
    """Where tests may create databases; `tests/run_services.sh` sees to it that it answers."""
    return os.environ.get("LTFORGE_TEST_POSTGRES_URL", DEFAULT_POSTGRES_URL)


def redis_server() -> str:
    """The Redis that tests may use."""
    return os.environ.get("LTFORGE_TEST_REDIS_URL", DEFAULT_REDIS_URL)


def temporary_database() -> Iterator[str]:
    """Create an empty PostgreSQL database, yield its URL, drop it."""
    server = make_url(postgres_server())
    name = f"ltforge_test_{secrets.token_hex(6)}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield server.set(database=name).render_as_string(hide_password=False)
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    finally:
        engine.dispose()


@pytest.fixture(scope="session")
def migrated_postgres_url() -> Iterator[str]:
    for url in temporary_database():
        upgrade(url)
        yield url


@pytest.fixture
def empty_postgres_url() -> Iterator[str]:
    yield from temporary_database()


@pytest.fixture(scope="session")
def rabbitmq_url() -> Iterator[str]:
    """A RabbitMQ virtual host for this session alone."""
    with temporary_vhost() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A migrated, empty database of either kind."""
    if request.param == "postgres":
        url = str(request.getfixturevalue("migrated_postgres_url"))
        empty_database(url)
        return url
    url = f"sqlite:///{tmp_path}/state.sqlite"
    upgrade(url)
    return url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = open_store(database_url)
    yield opened
    opened.dispose()


def empty_database(url: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        names = ", ".join(table.name for table in Row.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names} CASCADE"))
    engine.dispose()


STARTS_PROCESSES = (
    "tests/browser/",
    "tests/deployment/test_commands",
    "tests/hostile/",
    "tests/platforms/",
    "tests/ltforge/test_client",
    "tests/ltforge/test_command_line",
    "tests/service/test_api",
    "tests/service/test_dashboard",
    "tests/service/test_openapi",
    "tests/worker/",
)
"""Tests under these paths start servers or commands: no part of ``make test-fast``."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts processes as slow."""
    for item in items:
        if item.nodeid.startswith(STARTS_PROCESSES):
            item.add_marker(pytest.mark.slow)
