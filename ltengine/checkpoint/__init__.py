"""Checkpoints: files that hold a trained network, recognised by their content.

``read_checkpoint`` parses untrusted bytes; a service runs it in a resource-limited child.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltengine.checkpoint.layers import assemble_network
from ltengine.checkpoint.safetensors_file import (
    HOW_TO_SAVE,
    looks_like_safetensors,
    read_safetensors,
    write_network,
)
from ltengine.checkpoint.torch_file import looks_like_torch, read_torch
from ltengine.errors import CheckpointError
from ltengine.network import Network

__all__ = [
    "CheckpointSummary",
    "LayerSummary",
    "ReadCheckpoint",
    "convert_checkpoint",
    "read_checkpoint",
]


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One dense layer in figures."""

    name: str
    inputs: int
    outputs: int
    has_bias: bool
    nonzero: int


@dataclass(frozen=True, slots=True)
class CheckpointSummary:
    """What a checkpoint holds."""

    format: str
    layers: tuple[LayerSummary, ...]
    parameters: int
    digest: str
    suggested_activation: str | None

    def to_document(self) -> dict[str, Any]:
        """JSON data."""
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers]}


@dataclass(frozen=True, slots=True)
class ReadCheckpoint:
    """A parsed checkpoint."""

    network: Network
    format: str
    suggested_activation: str | None

    def summary(self) -> CheckpointSummary:
        """The checkpoint in figures."""
        layers = tuple(
            LayerSummary(
                layer.name, layer.inputs, layer.outputs, layer.bias is not None, layer.nonzero
            )
            for layer in self.network.layers
        )
        return CheckpointSummary(
            self.format,
            layers,
            self.network.parameters,
            self.network.digest(),
            self.suggested_activation,
        )


_ACTIVATION_SPELLINGS = {
    "relu": "relu",
    "lrelu": "leaky_relu",
    "leaky_relu": "leaky_relu",
    "leakyrelu": "leaky_relu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
}


def read_checkpoint(path: Path) -> ReadCheckpoint:
    """Parse a checkpoint file, whatever its name.

    Raises:
        CheckpointError: it is no checkpoint we know, or breaks a limit.
        NetworkError: its tensors are not a fully-connected network.
    """
    metadata: dict[str, str] = {}
    with path.open("rb") as file:
        head = file.read(16)
    size = path.stat().st_size
    if looks_like_torch(head):
        tensors, format_name = read_torch(path), "pytorch"
    elif looks_like_safetensors(head, size):
        tensors, metadata = read_safetensors(path)
        format_name = "safetensors"
    else:
        raise CheckpointError(
            f"neither a safetensors file nor a torch.save file; {HOW_TO_SAVE}",
            code="UNKNOWN_FORMAT",
        )
    network = assemble_network(tensors, file_order=format_name == "pytorch")
    activation = _ACTIVATION_SPELLINGS.get(metadata.get("activation", "").lower())
    return ReadCheckpoint(network, format_name, activation)


def convert_checkpoint(source: Path, destination: Path) -> CheckpointSummary:
    """Read ``source`` and write the network to ``destination`` in the canonical form.

    The canonical form is a safetensors file with ``layer.<n>.weight`` and ``layer.<n>.bias``.

    Raises:
        CheckpointError: as ``read_checkpoint``.
    """
    checkpoint = read_checkpoint(source)
    write_network(checkpoint.network, destination, checkpoint.suggested_activation)
    summary = checkpoint.summary()
    again = read_checkpoint(destination).network
    if again.digest() != summary.digest or not all(
        np.array_equal(a.weight, b.weight)
        for a, b in zip(again.layers, checkpoint.network.layers, strict=True)
    ):
        raise CheckpointError(
            "the canonical copy does not read back as the same network", code="CONVERSION_MISMATCH"
        )
    return summary
