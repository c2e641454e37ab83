"""Dense weight matrices between the neurons that are used: most of a source network is pruned."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ltengine.errors import ExportError
from ltengine.evaluation import CompactLayer

LARGEST_DENSE_BYTES = 4 << 30
Matrix = NDArray[np.float32]


def dense_matrix(layer: CompactLayer, inputs: int) -> Matrix:
    """(neuron, input) with zeros where cells are pruned."""
    matrix = np.zeros((layer.biases.size, inputs), np.float32)
    rows = np.repeat(np.arange(layer.biases.size), np.diff(layer.offsets))
    matrix[rows, layer.columns] = layer.values
    return matrix


def dense_matrices(layers: tuple[CompactLayer, ...], inputs: int) -> list[Matrix]:
    """One matrix per layer; ``inputs`` is the number of input units.

    Raises:
        ExportError: they would need more than ``LARGEST_DENSE_BYTES``.
    """
    widths = [inputs, *(layer.biases.size for layer in layers)]
    size = 4 * sum(below * above for below, above in pairwise(widths))
    if size > LARGEST_DENSE_BYTES:
        raise ExportError(
            f"dense weights of this ticket need {size} bytes, more than {LARGEST_DENSE_BYTES}; "
            "export it as sparse_safetensors, npz or onnx",
            code="EXPORT_TOO_LARGE",
        )
    return [dense_matrix(layer, width) for layer, width in zip(layers, widths, strict=False)]
