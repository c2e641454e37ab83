"""LTForge's Python client: a trained network in, a strong lottery ticket out.

>>> import ltforge
>>> with ltforge.Client("http://127.0.0.1:8000", api_key) as client:  # doctest: +SKIP
...     checkpoint = client.upload_checkpoint("lenet.safetensors")
...     job = client.submit(checkpoint, {"construction": "L+1"}).wait(timeout=300)
...     client.download_mask(job.ticket_id, "ticket.safetensors")

``AsyncClient`` has the same methods, to be awaited. Importing this package loads nothing; the names
below load httpx on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ltforge.async_client import (
        AsyncBatch,
        AsyncCheckpoint,
        AsyncClient,
        AsyncDataset,
        AsyncJob,
        AsyncTicket,
    )
    from ltforge.client import Batch, Checkpoint, Client, Dataset, Job, Ticket
    from ltforge.errors import (
        AuthenticationError,
        ConflictError,
        CorruptTransferError,
        InvalidRequestError,
        JobCanceledError,
        JobFailedError,
        LTForgeError,
        MissingExtraError,
        NoAnswerError,
        NotFoundError,
        RateLimitError,
        ResponseError,
        ServiceFailureError,
        TooLargeError,
        UploadRejectedError,
        WaitTimeoutError,
    )
    from ltforge.resources import (
        BatchDryRun,
        BatchResults,
        Event,
        FieldProblem,
        JobRecord,
        MaskPiece,
        Problem,
        Progress,
    )
    from ltforge.retrying import RetryPolicy
    from ltforge.ticket_file import Mask, TicketFile

__version__ = "0.1.0"

_HOME = {
    "AsyncBatch": "async_client",
    "AsyncCheckpoint": "async_client",
    "AsyncClient": "async_client",
    "AsyncDataset": "async_client",
    "AsyncJob": "async_client",
    "AsyncTicket": "async_client",
    "Batch": "client",
    "Checkpoint": "client",
    "Client": "client",
    "Dataset": "client",
    "Job": "client",
    "Ticket": "client",
    "AuthenticationError": "errors",
    "ConflictError": "errors",
    "CorruptTransferError": "errors",
    "InvalidRequestError": "errors",
    "JobCanceledError": "errors",
    "JobFailedError": "errors",
    "LTForgeError": "errors",
    "MissingExtraError": "errors",
    "NoAnswerError": "errors",
    "NotFoundError": "errors",
    "RateLimitError": "errors",
    "ResponseError": "errors",
    "ServiceFailureError": "errors",
    "TooLargeError": "errors",
    "UploadRejectedError": "errors",
    "WaitTimeoutError": "errors",
    "BatchDryRun": "resources",
    "BatchResults": "resources",
    "Event": "resources",
    "FieldProblem": "resources",
    "JobRecord": "resources",
    "MaskPiece": "resources",
    "Problem": "resources",
    "Progress": "resources",
    "RetryPolicy": "retrying",
    "Mask": "ticket_file",
    "TicketFile": "ticket_file",
}
"""Where each public name lives, so that importing the package stays instant."""

__all__ = [
    "AsyncBatch",
    "AsyncCheckpoint",
    "AsyncClient",
    "AsyncDataset",
    "AsyncJob",
    "AsyncTicket",
    "AuthenticationError",
    "Batch",
    "BatchDryRun",
    "BatchResults",
    "Checkpoint",
    "Client",
    "ConflictError",
    "CorruptTransferError",
    "Dataset",
    "Event",
    "FieldProblem",
    "InvalidRequestError",
    "Job",
    "JobCanceledError",
    "JobFailedError",
    "JobRecord",
    "LTForgeError",
    "Mask",
    "MaskPiece",
    "MissingExtraError",
    "NoAnswerError",
    "NotFoundError",
    "Problem",
    "Progress",
    "RateLimitError",
    "ResponseError",
    "RetryPolicy",
    "ServiceFailureError",
    "Ticket",
    "TicketFile",
    "TooLargeError",
    "UploadRejectedError",
    "WaitTimeoutError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
