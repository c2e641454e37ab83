"""Row-compressed exports of the whole source network, as safetensors or npz."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from ltengine.sparse_network import SparseLayer

Arrays = dict[str, NDArray[Any]]


def sparse_arrays(layers: tuple[SparseLayer, ...]) -> Arrays:
    """Per layer l from 1: ``layer.<l>.indptr``, ``.indices``, ``.values``, ``.bias``.

    As ``scipy.sparse.csr_array((values, indices, indptr), shape=(width, inputs))`` takes them.
    Values are exact in float32, as cells lie on a grid of at most 24 bits.
    """
    arrays: Arrays = {}
    for number, layer in enumerate(layers, start=1):
        arrays[f"layer.{number}.indptr"] = layer.offsets.astype(np.int64)
        arrays[f"layer.{number}.indices"] = layer.columns.astype(np.int32)
        arrays[f"layer.{number}.values"] = layer.values.astype(np.float32)
        arrays[f"layer.{number}.bias"] = layer.biases.astype(np.float32)
    return arrays


def write_sparse_safetensors(
    path: Path, layers: tuple[SparseLayer, ...], description: dict[str, Any]
) -> None:
    """The arrays, with the description in the metadata entry ``ltforge_export``."""
    save_file(sparse_arrays(layers), path, metadata={"ltforge_export": json.dumps(description)})


def write_npz(path: Path, layers: tuple[SparseLayer, ...], description: dict[str, Any]) -> None:
    """The arrays, with the description as JSON text in the array ``description``; no pickles."""
    arrays: dict[str, Any] = {"description": np.array(json.dumps(description))}
    arrays |= sparse_arrays(layers)
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)
