"""Uploaded files: checkpoints and data sets, untrusted until validated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from service.domain.problems import Problem

UploadKind = Literal["checkpoint", "dataset"]


class CheckpointStatus(StrEnum):
    """States of an uploaded file; the last two are final."""

    VALIDATING = "validating"
    READY = "ready"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An uploaded target network.

    `sha256` names the bytes as uploaded, `canonical_sha256` the safetensors file that the sandboxed
    conversion made of them: the only one anything reads afterwards.
    """

    id: str
    tenant_id: str
    name: str
    status: CheckpointStatus
    sha256: str
    bytes: int
    canonical_sha256: str | None
    summary: dict[str, Any] | None
    rejection: Problem | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dataset:
    """An uploaded data set (npz with arrays x and y); fields as for a checkpoint."""

    id: str
    tenant_id: str
    name: str
    status: CheckpointStatus
    sha256: str
    bytes: int
    canonical_sha256: str | None
    summary: dict[str, Any] | None
    rejection: Problem | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class UploadFilter:
    """Which checkpoints or data sets to list; None: any."""

    status: CheckpointStatus | None = None
    name: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class ValidationTask:
    """The right to validate one upload until the lease ends."""

    kind: UploadKind
    id: str
    tenant_id: str
    sha256: str
    lease_token: str


@dataclass(frozen=True, slots=True)
class ResumableUpload:
    """A file that arrives in pieces: `offset` of `length` bytes are there, durably.

    `metadata` is the client's own text. `resource_id` names the checkpoint or data set that the
    file became; None before.
    """

    id: str
    tenant_id: str
    kind: UploadKind
    name: str
    metadata: str
    length: int
    offset: int
    resource_id: str | None
    created_at: datetime
    expires_at: datetime
