"""LTForge's Python client: a trained network in, a strong lottery ticket out.

>>> import ltforge
>>> with ltforge.Client("http://127.0.0.1:8000", api_key) as client:  # doctest: +SKIP
...     checkpoint = client.upload_checkpoint("lenet.safetensors")
...     job = client.submit(checkpoint, {"construction": "L+1"}).wait(timeout=300)
...     client.download_mask(job.ticket_id, "ticket.safetensors")

Importing this package loads nothing; the names below load httpx on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ltforge.client import Client
    from ltforge.errors import (
        AuthenticationError,
        ConflictError,
        CorruptTransferError,
        InvalidRequestError,
        JobCanceledError,
        JobFailedError,
        LTForgeError,
        NoAnswerError,
        NotFoundError,
        RateLimitError,
        ResponseError,
        ServiceFailureError,
        TooLargeError,
        UploadRejectedError,
        WaitTimeoutError,
    )
    from ltforge.jobs import Job
    from ltforge.resources import FieldProblem, Problem, Progress, Ticket
    from ltforge.retrying import RetryPolicy
    from ltforge.uploads import Checkpoint, Dataset

__version__ = "0.1.0"

_HOME = {
    "Client": "client",
    "AuthenticationError": "errors",
    "ConflictError": "errors",
    "CorruptTransferError": "errors",
    "InvalidRequestError": "errors",
    "JobCanceledError": "errors",
    "JobFailedError": "errors",
    "LTForgeError": "errors",
    "NoAnswerError": "errors",
    "NotFoundError": "errors",
    "RateLimitError": "errors",
    "ResponseError": "errors",
    "ServiceFailureError": "errors",
    "TooLargeError": "errors",
    "UploadRejectedError": "errors",
    "WaitTimeoutError": "errors",
    "Job": "jobs",
    "FieldProblem": "resources",
    "Problem": "resources",
    "Progress": "resources",
    "Ticket": "resources",
    "RetryPolicy": "retrying",
    "Checkpoint": "uploads",
    "Dataset": "uploads",
}
"""Where each public name lives, so that importing the package stays instant."""

__all__ = [
    "AuthenticationError",
    "Checkpoint",
    "Client",
    "ConflictError",
    "CorruptTransferError",
    "Dataset",
    "FieldProblem",
    "InvalidRequestError",
    "Job",
    "JobCanceledError",
    "JobFailedError",
    "LTForgeError",
    "NoAnswerError",
    "NotFoundError",
    "Problem",
    "Progress",
    "RateLimitError",
    "ResponseError",
    "RetryPolicy",
    "ServiceFailureError",
    "Ticket",
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
