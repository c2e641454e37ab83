"""Uploaded files: sent whole or in pieces, and compared with what the service stored."""

from __future__ import annotations

import hashlib
from functools import partial
from os import PathLike
from pathlib import Path

from ltforge.calls import Identified, address, attempt, delete, get, id_of, pages
from ltforge.errors import CorruptTransferError, LTForgeError, UploadRejectedError
from ltforge.exchange import Flow, Request, Stream, document_of, work
from ltforge.operations.resumable_uploads import PIECE_BYTES, SentCallback, send_in_pieces
from ltforge.records import read_record
from ltforge.resources import CheckpointTensors, Problem, UploadRecord
from ltforge.waiting import Look, wait_until

CHECKPOINTS = "/v1/checkpoints"
DATASETS = "/v1/datasets"
_KINDS = {CHECKPOINTS: "checkpoint", DATASETS: "dataset"}


def upload_checkpoint(
    path: str | PathLike[str],
    *,
    name: str | None = None,
    on_progress: SentCallback | None = None,
) -> Flow[UploadRecord]:
    """Send a trained network's file to the service.

    A file of some size goes in pieces, and after a broken connection it goes on where it was.
    Bytes the service already has from you are recognised, so repeating an upload is safe. The
    service reads the file afterwards: ``Checkpoint.wait`` says what it found.

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
    """Send an npz file with arrays ``x`` and ``y``, on which tickets are evaluated.

    Takes what ``upload_checkpoint`` takes.
    """
    return (yield from _send_file(DATASETS, Path(path), name, on_progress))


def get_checkpoint(checkpoint: Identified | str) -> Flow[UploadRecord]:
    """A checkpoint as it is now."""
    return (yield from get(UploadRecord, address(CHECKPOINTS, checkpoint)))


def get_dataset(dataset: Identified | str) -> Flow[UploadRecord]:
    """A data set as it is now."""
    return (yield from get(UploadRecord, address(DATASETS, dataset)))


def list_checkpoints(
    *,
    status: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    page_size: int = 50,
) -> Stream[UploadRecord]:
    """Your checkpoints, newest first: all, or those of a status, a name or a SHA-256 digest."""
    filters = {"status": status, "name": name, "digest": digest}
    asked = {field: value for field, value in filters.items() if value is not None}
    yield from pages(UploadRecord, CHECKPOINTS, asked, page_size)


def list_datasets(
    *,
    status: str | None = None,
    name: str | None = None,
    digest: str | None = None,
    page_size: int = 50,
) -> Stream[UploadRecord]:
    """Your data sets, newest first: all, or those of a status, a name or a SHA-256 digest."""
    filters = {"status": status, "name": name, "digest": digest}
    asked = {field: value for field, value in filters.items() if value is not None}
    yield from pages(UploadRecord, DATASETS, asked, page_size)


def list_checkpoint_tensors(checkpoint: Identified | str) -> Flow[CheckpointTensors]:
    """Names, types and shapes of a checkpoint's tensors as the service converted them."""
    return (yield from get(CheckpointTensors, address(CHECKPOINTS, checkpoint, "tensors")))


def delete_checkpoint(checkpoint: Identified | str) -> Flow[None]:
    """Delete a checkpoint that no unfinished job uses; finished jobs go on naming it."""
    yield from delete(address(CHECKPOINTS, checkpoint))


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
    """Send the file at ``path`` to ``collection`` and check the digest the service reports."""
    try:
        length = path.stat().st_size
        send = _send_whole if length <= PIECE_BYTES else _send_pieces
        uploaded = yield from send(collection, path, name or path.name, on_progress)
        digest = yield from work(partial(_digest, path))
    except OSError as error:
        raise LTForgeError("FILE_UNREADABLE", f"cannot read {path}: {error.strerror}") from error
    if uploaded.sha256 != digest:
        raise CorruptTransferError(
            "UPLOAD_CHANGED",
            f"the service stored sha256 {uploaded.sha256}, {path} is {digest}; upload it again",
        )
    return uploaded


def _send_whole(
    collection: str, path: Path, name: str, on_progress: SentCallback | None
) -> Flow[UploadRecord]:
    """One request; after a failure all of it is sent again, which for so few bytes is no loss."""
    content = yield from work(path.read_bytes)
    request = Request(
        "POST",
        collection,
        parameters={"name": name},
        headers={"Content-Type": "application/octet-stream"},
        content=content,
    )
    uploaded = read_record(UploadRecord, document_of((yield from attempt(request))))
    if on_progress is not None:
        on_progress(len(content), len(content))
    return uploaded


def _send_pieces(
    collection: str, path: Path, name: str, on_progress: SentCallback | None
) -> Flow[UploadRecord]:
    return (yield from send_in_pieces(_KINDS[collection], path, name, on_progress))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
