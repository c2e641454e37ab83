"""What is in a checkpoint: read from the canonical file, which the sandboxed conversion wrote."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.domain import CheckpointStatus
from service.errors import Conflict, StorageUnavailable
from service.store import Store
from service.store.blobs import BlobStore

# The conversion takes no more from anybody, and writes less.
_LARGEST_HEADER = 8 << 20
_NOT_A_TENSOR = "__metadata__"


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a file; `dtype` in the words of safetensors, e.g. F32."""

    name: str
    dtype: str
    shape: tuple[int, ...]


def read_tensors(
    store: Store, blobs: BlobStore, tenant_id: str, checkpoint_id: str
) -> list[Tensor]:
    """The tensors of a checkpoint in the order of the file.

    Raises NotFound, Conflict unless the checkpoint is ready, StorageUnavailable.
    """
    with store.read() as tx:
        checkpoint = tx.checkpoints.get(tenant_id, checkpoint_id)
    if checkpoint.status is not CheckpointStatus.READY or checkpoint.canonical_sha256 is None:
        raise Conflict(
            f"The checkpoint is {checkpoint.status}; its tensors are known once it is ready.",
            code="CHECKPOINT_NOT_READY",
        )
    try:
        header = _read_header(blobs.path(checkpoint.canonical_sha256))
    except OSError as failure:
        raise StorageUnavailable(f"The checkpoint's file cannot be read: {failure}") from failure
    entries = [(name, entry) for name, entry in header.items() if name != _NOT_A_TENSOR]
    entries.sort(key=lambda item: item[1]["data_offsets"])
    return [Tensor(name, entry["dtype"], tuple(entry["shape"])) for name, entry in entries]


def _read_header(path: Path) -> dict[str, dict[str, Any]]:
    """The header of a safetensors file: eight bytes of its length, then JSON."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _LARGEST_HEADER:
            raise StorageUnavailable(f"The header of {path.name} has {length} bytes.")
        header: dict[str, dict[str, Any]] = json.loads(file.read(length))
    return header
