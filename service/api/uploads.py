"""Receiving a body: refused early where its headers tell, then streamed into a staged blob."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request

from service.api.refusals import LengthRequired, UnsupportedEncoding, UploadStalled
from service.errors import EmptyUpload, PayloadTooLarge
from service.settings import Settings
from service.store.blobs import BlobStore
from service.usecases.digests import AnnouncedDigests
from service.usecases.uploads import IncomingFile, check_room

# One hop into a thread per piece the network delivers (64 KiB) would cost more than the write.
_BATCH_BYTES = 1 << 20

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reception:
    """What a body may be: its largest size, how slowly it may come, how much room must stay."""

    limit: int
    idle_seconds: float = 60.0
    least_rate: float = 0.0
    free_bytes: int = 0

    @classmethod
    def of(cls, settings: Settings, limit: int) -> Reception:
        """As configured."""
        return cls(
            limit,
            settings.upload_idle_seconds,
            settings.upload_least_rate,
            settings.free_disk_bytes,
        )


async def receive_file(
    request: Request,
    blobs: BlobStore,
    rules: Reception,
    register: Callable[[IncomingFile], Result],
) -> Result:
    """Stream the body into the blob store and call `register` with it, all in threads.

    Whatever goes wrong (limit, disconnect, cancellation, full disk), the staged bytes are removed.
    """
    refuse_by_headers(request.headers, rules.limit)
    announced = AnnouncedDigests.parse(request.headers.get("Content-Digest"))
    check_room(blobs, _announced_length(request.headers), rules.free_bytes)

    def stage() -> IncomingFile:
        return IncomingFile(blobs, rules.limit, announced=announced, free_bytes=rules.free_bytes)

    file = await run_in_threadpool(stage)
    try:
        async for batch in batches(request.stream(), rules):
            await run_in_threadpool(file.write, batch)
        return await run_in_threadpool(register, file)
    finally:
        # Not awaited: a canceled task could not wait for a thread. Removing one file is quick.
        file.discard()


def refuse_by_headers(headers: Headers, limit: int) -> None:
    """Refuse what cannot become an upload before a byte of it is read."""
    refuse_encoding(headers)
    if headers.get("Content-Type", "").strip().lower().startswith("multipart/"):
        raise UnsupportedEncoding(
            "Send the file itself as the body, not a form: curl --data-binary @FILE."
        )
    announced = headers.get("Content-Length", "")
    if not announced and "Transfer-Encoding" not in headers:
        raise LengthRequired(
            "The request has no body; send the file with a Content-Length or in chunks."
        )
    if announced.isdecimal() and int(announced) > limit:
        raise PayloadTooLarge(limit)
    if announced.isdecimal() and int(announced) == 0:
        raise EmptyUpload("The request body is empty; send the file itself as the body.")


def refuse_encoding(headers: Headers) -> None:
    """Raise UnsupportedEncoding for a body that is not the bytes themselves."""
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding("Send the file uncompressed, without Content-Encoding.")


def _announced_length(headers: Headers) -> int:
    announced = headers.get("Content-Length", "")
    return int(announced) if announced.isdecimal() else 0


async def batches(pieces: AsyncIterator[bytes], rules: Reception) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces; raises UploadStalled when too few come for too long.

    What came before that, or before the client went away, is given out first.
    """
    batch = bytearray()
    window_ends, arrived = anyio.current_time() + rules.idle_seconds, 0
    broken: Exception | None = None
    while broken is None:
        try:
            with anyio.fail_after(rules.idle_seconds):
                piece = await anext(pieces, None)
        except TimeoutError:
            broken = UploadStalled(rules.idle_seconds)
            break
        except ClientDisconnect as gone:
            broken = gone
            break
        if piece is None:
            break
        arrived += len(piece)
        batch += piece
        if anyio.current_time() > window_ends:
            if arrived < rules.least_rate * rules.idle_seconds:
                broken = UploadStalled(rules.idle_seconds)
            window_ends, arrived = anyio.current_time() + rules.idle_seconds, 0
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)
    if broken is not None:
        raise broken
