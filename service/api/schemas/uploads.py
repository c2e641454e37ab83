"""Checkpoints and data sets on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.api.schemas.problems import Reason
from service.api.schemas.wire import Wire
from service.domain import Checkpoint, CheckpointStatus, Dataset, ResumableUpload, UploadKind
from service.usecases.tensors import Tensor


class UploadLinks(Wire):
    """Where an uploaded file's resource is."""

    self: str


class _Upload(Wire):
    id: str
    name: str = Field(description="as given at upload; metadata only, never a path")
    status: CheckpointStatus = Field(
        description="`validating` until the sandboxed check ends; `ready` and `rejected` are final"
    )
    sha256: str = Field(description="SHA-256 of the bytes as uploaded, in hexadecimal")
    bytes: int = Field(description="size as uploaded")
    summary: dict[str, Any] | None = Field(
        description="what the check found in the file; null until `ready`"
    )
    rejection: Reason | None = Field(description="why the file was rejected; null unless it was")
    created_at: datetime
    links: UploadLinks


class CheckpointResource(_Upload):
    """An uploaded checkpoint: a trained target network."""

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> CheckpointResource:
        """The wire form of a checkpoint."""
        return cls.model_validate(_upload_fields(checkpoint, "checkpoints"))


class DatasetResource(_Upload):
    """An uploaded data set: an .npz file with arrays `x` and `y`."""

    @classmethod
    def of(cls, dataset: Dataset) -> DatasetResource:
        """The wire form of a data set."""
        return cls.model_validate(_upload_fields(dataset, "datasets"))


class TensorResource(Wire):
    """One tensor of a checkpoint."""

    name: str
    dtype: str = Field(description="as safetensors spells it, e.g. F32")
    shape: list[int]


class CheckpointTensors(Wire):
    """The tensors of a checkpoint as it was converted."""

    data: list[TensorResource]

    @classmethod
    def of(cls, tensors: list[Tensor]) -> CheckpointTensors:
        """The wire form of a checkpoint's tensors."""
        shown = [
            TensorResource(name=tensor.name, dtype=tensor.dtype, shape=list(tensor.shape))
            for tensor in tensors
        ]
        return cls(data=shown)


class ResumableUploadLinks(Wire):
    """Where a resumable upload is, how it ends, and what it became."""

    self: str
    finalize: str
    resource: str | None = Field(description="the checkpoint or data set; null until finalized")


class ResumableUploadResource(Wire):
    """A file that arrives in pieces, by the tus protocol."""

    id: str
    kind: UploadKind
    name: str = Field(description="of the checkpoint or data set to be")
    length: int = Field(description="bytes of the whole file")
    offset: int = Field(description="bytes that are there; the next piece begins here")
    resource_id: str | None = Field(
        description="the checkpoint or data set that it became; null until finalized"
    )
    created_at: datetime
    expires_at: datetime = Field(description="each piece puts it off")
    links: ResumableUploadLinks

    @classmethod
    def of(cls, upload: ResumableUpload) -> ResumableUploadResource:
        """The wire form of a resumable upload."""
        own, made = f"/v1/uploads/{upload.id}", upload.resource_id
        return cls(
            id=upload.id,
            kind=upload.kind,
            name=upload.name,
            length=upload.length,
            offset=upload.offset,
            resource_id=made,
            created_at=upload.created_at,
            expires_at=upload.expires_at,
            links=ResumableUploadLinks(
                self=own,
                finalize=f"{own}/finalize",
                resource=None if made is None else f"/v1/{upload.kind}s/{made}",
            ),
        )


def _upload_fields(upload: Checkpoint | Dataset, collection: str) -> dict[str, Any]:
    return {
        "id": upload.id,
        "name": upload.name,
        "status": upload.status,
        "sha256": upload.sha256,
        "bytes": upload.bytes,
        "summary": upload.summary,
        "rejection": Reason.of(upload.rejection) if upload.rejection else None,
        "created_at": upload.created_at,
        "links": UploadLinks(self=f"/v1/{collection}/{upload.id}"),
    }
