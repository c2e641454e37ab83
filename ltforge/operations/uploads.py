"""Uploaded files: streamed from disk, hashed on the way, compared with what the service stored."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path

from ltforge.calls import Identified, address, attempt, delete, get, id_of, pages
from ltforge.errors import CorruptTransferError, LTForgeError, UploadRejectedError
from ltforge.exchange import Flow, Request, Stream, document_of
from ltforge.records import read_record
from ltforge.resources import Problem, UploadRecord
from ltforge.waiting import Look, wait_until

CHECKPOINTS = "/v1/checkpoints"
DATASETS = "/v1/datasets"
CHUNK_BYTES = 1 << 20

SentCallback = Callable[[int, int], None]
"""Called with (bytes sent, bytes in all) while an upload runs."""


def upload_checkpoint(
    path: str | PathLike[str],
    *,
    name: str | None = None,
    on_progress: SentCallback | None = None,
) -> Flow[UploadRecord]:
    """Stream a trained network's file to the service.

    Bytes the service already has from you are recognised, so repeating an upload is cheap and
    safe. The service reads the file afterwards: ``Checkpoint.wait`` says what it found.

    Args:
        path: safetensors, a PyTorch state_dict, or ONNX.
        name: for people; the file's own by default.
        on_progress: called with (bytes sent, bytes in all).
    """
    return (yield from _send_file(CHECKPOINTS, Path(path), name, on_progress))


def upload_dataset(
    path: str | PathLike[str],
    *,
    name: str | None = None,
    on_progress: SentCallback | None = None,
) -> Flow[UploadRecord]:
    """Stream an npz file with arrays ``x`` and ``y``, on which tickets are evaluated.

    Takes what ``upload_checkpoint`` takes.
    """
    return (yield from _send_file(DATASETS, Path(path), name, on_progress))


def get_checkpoint(checkpoint: Identified | str) -> Flow[UploadRecord]:
    """A checkpoint as it is now."""
    return (yield from get(UploadRecord, address(CHECKPOINTS, checkpoint)))


def get_dataset(dataset: Identified | str) -> Flow[UploadRecord]:
    """A data set as it is now."""
    return (yield from get(UploadRecord, address(DATASETS, dataset)))


def list_checkpoints(*, page_size: int = 50) -> Stream[UploadRecord]:
    """Your checkpoints, newest first."""
    yield from pages(UploadRecord, CHECKPOINTS, {}, page_size)


def list_datasets(*, page_size: int = 50) -> Stream[UploadRecord]:
    """Your data sets, newest first."""
    yield from pages(UploadRecord, DATASETS, {}, page_size)


def delete_dataset(dataset: Identified | str) -> Flow[None]:
    """Delete a data set that no unfinished job uses."""
    yield from delete(address(DATASETS, dataset))


def wait_for_checkpoint(checkpoint: Identified | str, timeout: float = 600.0) -> Flow[UploadRecord]:
    """Wait until the service has read the checkpoint; jobs need not wait for that.

    Raises:
        UploadRejectedError: it is not a usable checkpoint, and why.
        WaitTimeoutError: ``timeout`` seconds passed first.
    """
    return (yield from _wait(CHECKPOINTS, checkpoint, timeout))


def wait_for_dataset(dataset: Identified | str, timeout: float = 600.0) -> Flow[UploadRecord]:
    """Wait until the service has read the data set; raises as ``wait_for_checkpoint``."""
    return (yield from _wait(DATASETS, dataset, timeout))


def _wait(collection: str, upload: Identified | str, timeout: float) -> Flow[UploadRecord]:
    path = address(collection, upload)

    def look(_left: float) -> Flow[Look[UploadRecord]]:
        return Look((yield from get(UploadRecord, path)))

    final = yield from wait_until(
        look, lambda seen: seen.terminal, timeout=timeout, what=f"reading {id_of(upload)}"
    )
    if final.rejection is not None or final.status == "rejected":
        reason = final.rejection or Problem(
            code="UPLOAD_REJECTED", detail=f"{final.id} was rejected"
        )
        raise UploadRejectedError(reason.code, reason.detail)
    return final


def _send_file(
    collection: str, path: Path, name: str | None, on_progress: SentCallback | None
) -> Flow[UploadRecord]:
    """Stream the file at ``path`` to ``collection`` and check the digest the service reports."""
    length = _length(path)
    stream = _FileStream(path, length, on_progress)
    request = Request(
        "POST",
        collection,
        parameters={"name": name or path.name},
        headers={"Content-Type": "application/octet-stream", "Content-Length": str(length)},
        content=stream.chunks,
    )
    uploaded = read_record(UploadRecord, document_of((yield from attempt(request))))
    if uploaded.sha256 != stream.sha256():
        raise CorruptTransferError(
            "UPLOAD_CHANGED",
            f"the service stored sha256 {uploaded.sha256}, {path} is {stream.sha256()}; "
            "upload it again",
        )
    return uploaded


class _FileStream:
    """A file's chunks, read afresh for every attempt, with the digest of the last full reading."""

    def __init__(self, path: Path, length: int, on_progress: SentCallback | None) -> None:
        self._path = path
        self._length = length
        self._on_progress = on_progress
        self._digest = hashlib.sha256()

    def chunks(self) -> Iterator[bytes]:
        self._digest = hashlib.sha256()
        sent = 0
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                self._digest.update(chunk)
                yield chunk
                sent += len(chunk)
                if self._on_progress is not None:
                    self._on_progress(sent, self._length)

    def sha256(self) -> str:
        return self._digest.hexdigest()


def _length(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise LTForgeError("FILE_UNREADABLE", f"cannot read {path}: {error.strerror}") from error
