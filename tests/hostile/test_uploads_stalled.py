"""A client that stops sending must not hold a place for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from service.api.refusals import UploadStalled
from service.api.uploads import receive_file
from service.store.blobs import LocalBlobStore
from service.usecases.uploads import IncomingFile


def request_of(*messages: dict[str, Any]) -> Request:
    """A request whose body comes in these messages, and then not at all."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)


def keep(file: IncomingFile) -> tuple[str, int]:
    return file.keep()


def test_a_stalled_upload_is_given_up_and_removed(tmp_path: Path) -> None:
    request = request_of({"type": "http.request", "body": bytes(2 << 20), "more_body": True})

    with pytest.raises(UploadStalled):
        asyncio.run(
            receive_file(request, LocalBlobStore(tmp_path), 1 << 30, keep, idle_seconds=0.05)
        )

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_canceled_upload_is_removed(tmp_path: Path) -> None:
    request = request_of({"type": "http.request", "body": bytes(2 << 20), "more_body": True})

    async def cancel_midway() -> None:
        task = asyncio.create_task(receive_file(request, LocalBlobStore(tmp_path), 1 << 30, keep))
        async with asyncio.timeout(20):
            while not any(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_midway())

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
