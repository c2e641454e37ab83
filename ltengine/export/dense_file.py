"""Dense safetensors: weights between the neurons that are used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from ltengine.evaluation import CompactLayer
from ltengine.export.dense import dense_matrices


def write_dense_safetensors(
    path: Path, layers: tuple[CompactLayer, ...], inputs: int, description: dict[str, Any]
) -> None:
    """Per layer l from 1: ``layer.<l>.weight``, ``.bias``, and ``.neurons``, their source rows."""
    tensors: dict[str, NDArray[Any]] = {}
    for number, matrix in enumerate(dense_matrices(layers, inputs), start=1):
        layer = layers[number - 1]
        tensors[f"layer.{number}.weight"] = matrix
        tensors[f"layer.{number}.bias"] = layer.biases
        tensors[f"layer.{number}.neurons"] = layer.neurons.astype(np.int64)
    save_file(tensors, path, metadata={"ltforge_export": json.dumps(description)})
