"""The safetensors format, read with limits on its header before any tensor is touched."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ltengine.errors import CheckpointError
from ltengine.network import Network

LARGEST_HEADER = 8 << 20
MOST_TENSORS = 10_000
HOW_TO_SAVE = (
    "save it with safetensors.torch.save_file(model.state_dict(), path) or "
    "torch.save(model.state_dict(), path)"
)
FLOAT_TYPES = {"F16", "BF16", "F32", "F64"}


def looks_like_safetensors(head: bytes, size: int) -> bool:
    """Eight bytes of header length and an opening brace."""
    if len(head) < 10 or head[8:9] != b"{":
        return False
    (length,) = struct.unpack("<Q", head[:8])
    return bool(length <= size)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise CheckpointError("the header names a tensor twice", code="DUPLICATE_TENSOR")
    return result


def read_header(path: Path) -> dict[str, Any]:
    """The header's JSON, checked for size, duplicate names and tensor count.

    Raises:
        CheckpointError: on any of these.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > LARGEST_HEADER:
            raise CheckpointError(
                f"the header takes {length} bytes; at most {LARGEST_HEADER} are read",
                code="HEADER_TOO_LARGE",
            )
        raw = file.read(length)
    try:
        header = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("the header is not JSON", code="HEADER_NOT_JSON") from error
    if len(header) > MOST_TENSORS:
        raise CheckpointError(
            f"{len(header)} tensors; at most {MOST_TENSORS} are read", code="TOO_MANY_TENSORS"
        )
    return dict(header)


def read_safetensors(path: Path) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Tensors by name in the header's order, as float64, and the metadata.

    Raises:
        CheckpointError: the file breaks the format or a limit, or holds another number type.
    """
    header = read_header(path)
    metadata = header.pop("__metadata__", {})
    kinds: dict[str, str] = {}
    for name, entry in header.items():
        kind = entry.get("dtype") if isinstance(entry, dict) else None
        if kind not in FLOAT_TYPES:
            raise CheckpointError(
                f"tensor {name!r} has type {kind}; float16, bfloat16, float32 and float64 are read",
                code="TENSOR_TYPE",
            )
        kinds[name] = str(kind)
    try:
        if "BF16" in kinds.values():
            return _read_with_torch(path), metadata
        with safe_open(str(path), framework="numpy") as file:
            tensors = {name: np.asarray(file.get_tensor(name), np.float64) for name in header}
        return tensors, metadata
    except SafetensorError as error:
        raise CheckpointError(
            f"not a valid safetensors file: {error}", code="INVALID_SAFETENSORS"
        ) from error


def _read_with_torch(path: Path) -> dict[str, NDArray[np.float64]]:
    """Bfloat16 has no numpy type, so torch widens it."""
    import torch  # noqa: PLC0415 - seconds to import, and needed for this type alone
    from safetensors.torch import load_file  # noqa: PLC0415

    return {name: t.to(torch.float64).numpy() for name, t in load_file(str(path)).items()}


def write_network(network: Network, path: Path, activation: str | None) -> None:
    """The canonical form: float32 where that is exact, else float64."""
    tensors: dict[str, NDArray[np.floating]] = {}
    for number, layer in enumerate(network.layers):
        tensors[f"layer.{number}.weight"] = _narrowest(layer.weight)
        if layer.bias is not None:
            tensors[f"layer.{number}.bias"] = _narrowest(layer.bias)
    save_file(tensors, str(path), metadata={"activation": activation} if activation else None)


def _narrowest(values: NDArray[np.float64]) -> NDArray[np.floating]:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    exact = bool((single.astype(np.float64) == values).all())
    return np.ascontiguousarray(single if exact else values)
