"""A client that stops sending must not hold a place for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from service.api.refusals import UploadStalled
from service.api.uploads import Reception, receive_file
from service.store.blobs import LocalBlobStore
from service.usecases.uploads import IncomingFile

CHUNKED = [(b"transfer-encoding", b"chunked")]


def request_of(*messages: dict[str, Any]) -> Request:
    """A request whose body comes in these messages, and then not at all."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return Request({"type": "http", "method": "POST", "path": "/", "headers": CHUNKED}, receive)


def keep(file: IncomingFile) -> tuple[str, int]:
    return file.keep()


def test_a_stalled_upload_is_given_up_and_removed(tmp_path: Path) -> None:
    request = request_of({"type": "http.request", "body": bytes(2 << 20), "more_body": True})

    with pytest.raises(UploadStalled):
        asyncio.run(receive_file(request, LocalBlobStore(tmp_path), Reception(1 << 30, 0.05), keep))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_u2_an_upload_that_trickles_is_given_up_and_removed(tmp_path: Path) -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    scope = {"type": "http", "method": "POST", "path": "/", "headers": CHUNKED}
    rules = Reception(1 << 30, idle_seconds=0.2, least_rate=1000.0)

    with pytest.raises(UploadStalled):
        asyncio.run(receive_file(Request(scope, receive), LocalBlobStore(tmp_path), rules, keep))

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_canceled_upload_is_removed(tmp_path: Path) -> None:
    request = request_of({"type": "http.request", "body": bytes(2 << 20), "more_body": True})

    async def cancel_midway() -> None:
        task = asyncio.create_task(
            receive_file(request, LocalBlobStore(tmp_path), Reception(1 << 30), keep)
        )
        async with asyncio.timeout(20):
            while not any(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()):
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_midway())

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
