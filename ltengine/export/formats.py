"""The formats that a ticket can be exported to; imports nothing, so that the API can name them."""

from __future__ import annotations

from enum import StrEnum


class ExportFormat(StrEnum):
    """docs/exports.md says what each file holds."""

    STATE_DICT = "state_dict"
    """PyTorch: what ``torch.nn.Sequential`` of Linear layers and activations loads."""
    SAFETENSORS = "safetensors"
    """Dense weights between the neurons that are used."""
    SPARSE_SAFETENSORS = "sparse_safetensors"
    """Row-compressed weights of the whole source network."""
    NPZ = "npz"
    """The same arrays as sparse_safetensors, for ``numpy.load``."""
    ONNX = "onnx"
    """A graph from raw inputs to outputs."""

    @property
    def suffix(self) -> str:
        """How names of such files end."""
        return _SUFFIXES[self]


_SUFFIXES = {
    ExportFormat.STATE_DICT: ".pt",
    ExportFormat.SAFETENSORS: ".dense.safetensors",
    ExportFormat.SPARSE_SAFETENSORS: ".sparse.safetensors",
    ExportFormat.NPZ: ".npz",
    ExportFormat.ONNX: ".onnx",
}
