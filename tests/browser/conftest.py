"""A real Chromium in front of the embedded default."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.journeys.stacks import Embedded, embedded

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str:
    """Its path; skips where there is none."""
    named = os.environ.get("LTFORGE_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(
            "no Chromium: install Debian's package 'chromium', or set LTFORGE_TEST_CHROMIUM"
        )
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Closed with its module: its driver's event loop would be in the way of other tests'."""
    path = find_chromium()
    with sync_playwright() as driver:
        # Chromium's own sandbox needs a user other than root.
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        opened = driver.chromium.launch(executable_path=path, args=options)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def product(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """`ltforge serve`, started only where there is a browser to look at it."""
    with embedded(tmp_path_factory.mktemp("product")) as running:
        yield running


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: a folder named by LTFORGE_TEST_SCREENSHOTS, to be looked at."""
    named = os.environ.get("LTFORGE_TEST_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
