"""Receiving a body: refused early where its headers tell, then streamed into a staged blob."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request

from service.api.refusals import UnsupportedEncoding, UploadStalled
from service.errors import EmptyUpload, PayloadTooLarge
from service.store.blobs import BlobStore
from service.usecases.uploads import IncomingFile

IDLE_SECONDS = 60.0
# One hop into a thread per piece the network delivers (64 KiB) would cost more than the write.
_BATCH_BYTES = 1 << 20

Result = TypeVar("Result")


async def receive_file(
    request: Request,
    blobs: BlobStore,
    limit: int,
    register: Callable[[IncomingFile], Result],
    *,
    idle_seconds: float = IDLE_SECONDS,
) -> Result:
    """Stream the body into the blob store and call `register` with it, all in threads.

    Whatever goes wrong (limit, disconnect, cancellation, full disk), the staged bytes are removed.
    """
    refuse_by_headers(request.headers, limit)
    file = await run_in_threadpool(IncomingFile, blobs, limit)
    try:
        async for batch in _batches(request.stream(), idle_seconds):
            await run_in_threadpool(file.write, batch)
        return await run_in_threadpool(register, file)
    except BaseException:
        # Not awaited: a canceled task could not wait for a thread. Removing one file is quick.
        file.discard()
        raise


def refuse_by_headers(headers: Headers, limit: int) -> None:
    """Refuse what cannot become an upload before a byte of it is read."""
    encoding = headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedEncoding("Send the file uncompressed, without Content-Encoding.")
    if headers.get("Content-Type", "").strip().lower().startswith("multipart/"):
        raise UnsupportedEncoding(
            "Send the file itself as the body, not a form: curl --data-binary @FILE."
        )
    announced = headers.get("Content-Length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise PayloadTooLarge(limit)
    if announced.isdecimal() and int(announced) == 0:
        raise EmptyUpload("The request body is empty; send the file itself as the body.")


async def _batches(pieces: AsyncIterator[bytes], idle_seconds: float) -> AsyncIterator[bytes]:
    """The same bytes in larger pieces; raises UploadStalled when none comes for too long."""
    batch = bytearray()
    while True:
        try:
            with anyio.fail_after(idle_seconds):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise UploadStalled(idle_seconds) from None
        if piece is None:
            break
        batch += piece
        if len(batch) >= _BATCH_BYTES:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)
