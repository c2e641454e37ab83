# ruff: noqa: PLC0415 - each format imports its own library alone
"""Runs an export as somebody would who has none of our code: ``FORMAT FILE INPUTS OUTPUTS``.

Started as a script of its own, by tests; the last two are npy files. Inputs are
raw; only numpy and the format's own library are imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Description = dict[str, Any]


class Refusal(MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".", maxsplit=1)[0] in {"ltengine", "ltforge", "service", "worker"}:
            raise ImportError(f"{name} must not be needed")


def normalise(x: Array, description: Description) -> Array:
    mean, std = (np.float32(description["input"][name]) for name in ("mean", "std"))
    return np.asarray((x - mean) / std)


def run_state_dict(file: Path, x: Array) -> Array:
    import torch

    state = torch.load(file, weights_only=True)
    description = state._metadata["ltforge"]
    modules: list[torch.nn.Module] = []
    kinds: dict[str, type[torch.nn.Module]] = {
        "relu": torch.nn.ReLU,
        "tanh": torch.nn.Tanh,
        "identity": torch.nn.Identity,
    }
    for number, layer in enumerate(description["layers"]):
        outputs, inputs = state[f"{2 * number}.weight"].shape
        modules += [torch.nn.Linear(inputs, outputs), kinds[layer["activation"]["name"]]()]
    network = torch.nn.Sequential(*modules)
    network.load_state_dict(state, strict=True)
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(normalise(x, description))))


def run_dense(file: Path, x: Array) -> Array:
    from safetensors import safe_open

    with safe_open(file, "np") as tensors:
        description = json.loads(tensors.metadata()["ltforge_export"])
        x = normalise(x, description)
        for number, layer in enumerate(description["layers"], start=1):
            weight = tensors.get_tensor(f"layer.{number}.weight")
            x = activate(x @ weight.T + tensors.get_tensor(f"layer.{number}.bias"), layer)
    return x


def activate(x: Array, layer: Description) -> Array:
    match layer["activation"]["name"]:
        case "relu":
            return np.maximum(x, 0)
        case "tanh":
            return np.tanh(x)
        case "identity":
            return x
        case unknown:
            raise ValueError(unknown)


def run_sparse(description: Description, arrays: Mapping[str, Array], x: Array) -> Array:
    x = normalise(x, description).T
    for number, layer in enumerate(description["layers"], start=1):
        indptr, indices, values, bias = (
            arrays[f"layer.{number}.{part}"] for part in ("indptr", "indices", "values", "bias")
        )
        out = np.repeat(bias[:, None], x.shape[1], axis=1)
        for row in np.flatnonzero(np.diff(indptr)):
            cells = slice(indptr[row], indptr[row + 1])
            out[row] += values[cells] @ x[indices[cells]]
        x = activate(out, layer)
    return x.T


def run_sparse_safetensors(file: Path, x: Array) -> Array:
    from safetensors import safe_open
    from safetensors.numpy import load_file

    with safe_open(file, "np") as tensors:
        description = json.loads(tensors.metadata()["ltforge_export"])
    return run_sparse(description, load_file(file), x)


def run_npz(file: Path, x: Array) -> Array:
    with np.load(file, allow_pickle=False) as archive:
        return run_sparse(json.loads(str(archive["description"])), dict(archive), x)


def run_onnx(file: Path, x: Array) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": x})[0])


RUNNERS: dict[str, Callable[[Path, Array], Array]] = {
    "state_dict": run_state_dict,
    "safetensors": run_dense,
    "sparse_safetensors": run_sparse_safetensors,
    "npz": run_npz,
    "onnx": run_onnx,
}

if __name__ == "__main__":
    sys.meta_path.insert(0, Refusal())
    _, form, file, inputs, outputs = sys.argv
    np.save(outputs, RUNNERS[form](Path(file), np.load(inputs)))
