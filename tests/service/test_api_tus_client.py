"""A real tus client against the API as a process, which is killed while a file is on its way."""

from __future__ import annotations

import hashlib
import io
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient
from tusclient.uploader.uploader import Uploader

from service.settings import Settings
from tests.hostile.raw_http import Connection
from tests.service.api_process import ApiProcess, api_process
from tests.service.conftest import settings_for
from tests.service.tus_client import PIECE, finalize, offset_of
from tests.waiting import wait_until

MEBIBYTE = 1 << 20
CONTENT = secrets.token_bytes(40 * MEBIBYTE)


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    limits = {"max_checkpoint_bytes": len(CONTENT), "upload_idle_seconds": 5.0}
    return settings_for(tmp_path / "data", database_url).model_copy(update=limits)


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[ApiProcess]:
    with api_process(settings, tmp_path / "log") as process:
        yield process


@pytest.fixture
def client(served: ApiProcess) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {served.key}"}
    with httpx.Client(base_url=served.url, headers=headers, trust_env=False, timeout=60) as opened:
        yield opened


@pytest.fixture
def tus(served: ApiProcess, monkeypatch: pytest.MonkeyPatch) -> TusClient:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return TusClient(f"{served.url}/v1/uploads", {"Authorization": f"Bearer {served.key}"})


def uploader(tus: TusClient, chunk: int, url: str | None = None) -> Uploader:
    """Of the content; it tries for half a minute, as often as the interpreter lets it."""
    return tus.uploader(
        file_stream=io.BytesIO(CONTENT),
        chunk_size=chunk,
        url=url,
        metadata={"kind": "checkpoint", "filename": "net.safetensors"},
        retries=150,
        retry_delay=0.2,
        upload_checksum=url is None,
    )


def arrived(settings: Settings) -> int:
    """Bytes in the one unfinished file."""
    return sum(file.stat().st_size for file in (settings.blobs / "unfinished").iterdir())


def test_a_real_client_goes_on_after_the_server_was_killed(
    served: ApiProcess, client: httpx.Client, tus: TusClient, settings: Settings
) -> None:
    sending = uploader(tus, MEBIBYTE)
    thread = threading.Thread(target=sending.upload)

    thread.start()
    wait_until(lambda: arrived(settings) > 10 * MEBIBYTE)
    served.kill()
    served.start()
    thread.join()

    path = str(sending.url).removeprefix(served.url)
    assert offset_of(client, path) == len(CONTENT)
    made = finalize(client, path)
    assert made.status_code == 202
    assert made.json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert made.json()["name"] == "net.safetensors"


def test_the_offset_is_true_after_a_kill_in_the_middle_of_a_piece(
    served: ApiProcess, client: httpx.Client, tus: TusClient, settings: Settings
) -> None:
    first = uploader(tus, 3 * MEBIBYTE)
    first.upload_chunk()
    path = str(first.url).removeprefix(served.url)

    address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
    connection = Connection(address, served.key)
    connection.send_head(
        "Tus-Resumable: 1.0.0",
        f"Upload-Offset: {3 * MEBIBYTE}",
        f"Content-Type: {PIECE}",
        f"Content-Length: {len(CONTENT) - 3 * MEBIBYTE}",
        path=path,
        method="PATCH",
    )
    connection.send(CONTENT[3 * MEBIBYTE : 30 * MEBIBYTE])
    wait_until(lambda: arrived(settings) >= 25 * MEBIBYTE)
    served.kill()
    connection.close()
    served.start()

    offset = offset_of(client, path)
    kept = next((settings.blobs / "unfinished").iterdir()).read_bytes()
    assert 3 * MEBIBYTE < offset <= len(kept)
    assert kept[:offset] == CONTENT[:offset]
    rest = uploader(tus, len(CONTENT), url=first.url)
    assert rest.offset == offset
    rest.upload()
    assert finalize(client, path).json()["sha256"] == hashlib.sha256(CONTENT).hexdigest()
