"""Weights of targets, read row by row out of the canonical file that the sandbox wrote."""

from __future__ import annotations

import json
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path

from service.errors import NotFound
from service.store import Store
from service.store.blobs import BlobStore

_TYPES = {"F32": "f", "F64": "d"}


@dataclass(frozen=True, slots=True)
class TargetWeights:
    """A target network in its canonical safetensors file; layers count from 1."""

    path: Path
    begin: int
    layers: tuple[tuple[str, int, int, int], ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, and the outputs of each layer."""
        first = self.layers[0][2]
        return (first, *(outputs for _, outputs, _, _ in self.layers))

    def read_row(self, layer: int, row: int) -> array[float]:
        """The weights into one neuron."""
        code, _, inputs, offset = self.layers[layer - 1]
        values: array[float] = array(code)
        with self.path.open("rb") as file:
            file.seek(self.begin + offset + row * inputs * values.itemsize)
            values.frombytes(file.read(inputs * values.itemsize))
        if sys.byteorder == "big":
            values.byteswap()
        return values


def open_target(
    store: Store, blobs: BlobStore, tenant_id: str, checkpoint_id: str
) -> TargetWeights:
    """The target of the tenant's checkpoint; raises NotFound, also where the file is gone."""
    with store.read() as tx:
        checkpoint = tx.checkpoints.get(tenant_id, checkpoint_id)
    digest = checkpoint.canonical_sha256
    if digest is None or not blobs.exists(digest):
        raise NotFound("checkpoint", checkpoint_id)
    path = blobs.path(digest)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    layers: list[tuple[str, int, int, int]] = []
    while (entry := header.get(f"layer.{len(layers)}.weight")) is not None:
        outputs, inputs = entry["shape"]
        layers.append((_TYPES[entry["dtype"]], outputs, inputs, entry["data_offsets"][0]))
    return TargetWeights(path, 8 + length, tuple(layers))
