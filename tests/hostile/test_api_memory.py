"""The API's memory while a large file passes through it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.settings import Settings
from service.store import open_store
from service.store.schema import upgrade
from tests.waiting import wait_until

TWO_GIGABYTES = 2 << 30
MOST_MEMORY = 250 << 20


def pieces() -> Iterator[bytes]:
    piece = bytes(1 << 20)
    for _ in range(TWO_GIGABYTES >> 20):
        yield piece


def largest_memory(process: int) -> int:
    """Bytes of physical memory that the process ever held."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) << 10


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_two_gigabytes_pass_through_a_small_process(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", max_checkpoint_bytes=TWO_GIGABYTES)
    upgrade(settings.database_url)
    store = open_store(settings.database_url)
    with store.begin() as tx:
        key = tx.keys.add(tx.keys.ensure_tenant(secrets.token_hex(8)), "test")[1]
    store.dispose()
    log = tmp_path / "log"
    command = ["-m", "uvicorn", "--factory", "service.api.application:create_app_from_environment"]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, *command, "--port", "0"],
            env=os.environ | settings.to_environment(),
            stderr=output,
            stdout=output,
        )
    try:
        wait_until(lambda: b"running on http" in log.read_bytes(), 60)
        found = re.search(rb"http://127\.0\.0\.1:(\d+)", log.read_bytes())
        assert found is not None
        answer = httpx.post(
            f"http://127.0.0.1:{int(found[1])}/v1/checkpoints",
            content=pieces(),
            headers={"Authorization": f"Bearer {key}"},
            timeout=300,
            trust_env=False,
        )
        assert answer.status_code == 202, answer.text
        assert answer.json()["bytes"] == TWO_GIGABYTES
        memory = largest_memory(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
        shutil.rmtree(settings.blobs)
    print(f"largest memory of the API: {memory >> 20} MiB")
    assert memory < MOST_MEMORY
