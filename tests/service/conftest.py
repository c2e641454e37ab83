"""Fixtures of the API's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.service.running_api import LIMIT, RunningApi, serve_api


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        data=tmp_path / "data",
        database_url=database_url,
        max_checkpoint_bytes=LIMIT,
        max_dataset_bytes=LIMIT,
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[RunningApi]:
    with serve_api(settings) as running:
        yield running
