"""Fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from service.store.schema import upgrade
from tests.conftest import empty_database
from tests.service.running_api import LIMIT, RunningApi, serve_api


def settings_for(data: Path, database_url: str) -> Settings:
    return Settings(
        data=data,
        database_url=database_url,
        max_checkpoint_bytes=LIMIT,
        max_dataset_bytes=LIMIT,
    )


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return settings_for(tmp_path / "data", database_url)


@pytest.fixture
def api(settings: Settings) -> Iterator[RunningApi]:
    with serve_api(settings) as running:
        yield running


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def shared_api(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    """One API for a module whose tests leave nothing behind: starting one takes half a second."""
    folder = tmp_path_factory.mktemp("api")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/state.sqlite"
        upgrade(url)
    else:
        url = request.getfixturevalue("migrated_postgres_url")
        # Uploads and jobs that other tests left would be claimed before this module's own.
        empty_database(url)
    with serve_api(settings_for(folder / "data", url)) as running:
        yield running
