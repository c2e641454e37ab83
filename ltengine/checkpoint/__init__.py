"""Checkpoints: files that hold a trained network, recognised by their content.

``read_checkpoint`` parses untrusted bytes; a service runs it in a resource-limited child.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ltengine.checkpoint.layers import assemble_network
from ltengine.checkpoint.onnx_file import looks_like_onnx, read_onnx
from ltengine.checkpoint.refusal import HOW_TO_SAVE
from ltengine.checkpoint.safetensors_file import (
    looks_like_safetensors,
    read_safetensors,
    write_network,
)
from ltengine.checkpoint.torch_file import looks_like_torch, read_torch
from ltengine.errors import CheckpointError
from ltengine.network import Network
from ltengine.specification import ActivationName

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
    suggested_slope: float | None
    """The negative slope of a suggested leaky_relu or prelu, where the file names it."""

    def to_document(self) -> dict[str, Any]:
        """JSON data."""
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers]}


@dataclass(frozen=True, slots=True)
class ReadCheckpoint:
    """A parsed checkpoint."""

    network: Network
    format: str
    suggested_activation: str | None
    suggested_slope: float | None = None

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
            self.suggested_slope,
        )


_ACTIVATION_SPELLINGS = {
    **{name: name for name in get_args(ActivationName)},
    "lrelu": "leaky_relu",
    "leakyrelu": "leaky_relu",
}


def read_checkpoint(path: Path) -> ReadCheckpoint:
    """Parse a checkpoint file, whatever its name.

    Raises:
        CheckpointError: it is no checkpoint we know, or breaks a limit.
        NetworkError: its tensors are not a fully-connected network.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if looks_like_torch(head):
        return ReadCheckpoint(assemble_network(read_torch(path), file_order=True), "pytorch", None)
    if looks_like_safetensors(head):
        tensors, metadata = read_safetensors(path)
        network = assemble_network(tensors, file_order=False)
        return ReadCheckpoint(network, "safetensors", *_named_activation(metadata))
    if looks_like_onnx(head):
        graph = read_onnx(path)
        return ReadCheckpoint(graph.network, "onnx", graph.activation, graph.slope)
    if head[257:262] == b"ustar":
        raise CheckpointError(
            f"a tar archive, as torch wrote before 2017, is not read; {HOW_TO_SAVE}",
            code="NOT_A_STATE_DICT",
        )
    raise CheckpointError(
        f"neither a safetensors file nor a torch.save file nor ONNX; {HOW_TO_SAVE}",
        code="UNKNOWN_FORMAT",
    )


def _named_activation(metadata: Mapping[str, str]) -> tuple[str | None, float | None]:
    """The activation that a file's metadata name, and its slope where it can have one."""
    name = _ACTIVATION_SPELLINGS.get(metadata.get("activation", "").lower())
    try:
        slope = float(metadata["slope"])
    except (KeyError, ValueError):
        return name, None
    sloped = name in ("leaky_relu", "prelu") and 0.0 <= slope < 1.0
    return name, slope if sloped else None


def convert_checkpoint(source: Path, destination: Path) -> CheckpointSummary:
    """Read ``source`` and write the network to ``destination`` in the canonical form.

    The canonical form is a safetensors file with ``layer.<n>.weight`` and ``layer.<n>.bias``.

    Raises:
        CheckpointError: as ``read_checkpoint``.
    """
    checkpoint = read_checkpoint(source)
    write_network(
        checkpoint.network,
        destination,
        checkpoint.suggested_activation,
        checkpoint.suggested_slope,
    )
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
