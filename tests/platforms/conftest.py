"""An MLflow server for all tests of this folder, and a finished ticket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from service.store.schema import upgrade
from tests.platforms.mlflow_server import mlflow_server
from tests.service.real_tickets import MadeTicket, construct_ticket


@pytest.fixture(scope="session")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeTicket:
    """A ticket of a network with 6 inputs and 4 outputs, and its report."""
    given = {"mean": 0.5, "std": 2.0, "low": 0.0, "high": 1.0}
    return construct_ticket(tmp_path_factory.mktemp("made"), input=given)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what the database has to do with it is tested beside the store."""
    url = f"sqlite:///{tmp_path}/state.sqlite"
    upgrade(url)
    return url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(data=tmp_path, database_url=database_url)
