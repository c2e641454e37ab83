"""The safetensors format, read with limits on its header before any tensor is touched."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from ltengine.checkpoint.numbers import Tensors, widen
from ltengine.checkpoint.refusal import check_count, check_name, shown
from ltengine.errors import CheckpointError
from ltengine.network import Network

LARGEST_HEADER = 8 << 20
FLOAT_TYPES = {"F16": "<f2", "BF16": "bf16", "F32": "<f4", "F64": "<f8"}
_MOST_DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class _Entry:
    """One tensor as the header describes it: bytes [begin, end) after the header."""

    name: str
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def looks_like_safetensors(head: bytes) -> bool:
    """Eight bytes of header length and an opening brace."""
    return len(head) >= 10 and head[8:9] == b"{"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise CheckpointError("the header names something twice", code="DUPLICATE_TENSOR")
    return result


def _invalid(reason: str) -> CheckpointError:
    return CheckpointError(f"not a valid safetensors file: {reason}", code="INVALID_SAFETENSORS")


def read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header's JSON, checked for size, duplicate names and tensor count; and its end.

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
    if len(raw) < length:
        raise _invalid("it is cut short within its header")
    try:
        header = json.loads(raw, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise CheckpointError("the header is not JSON", code="HEADER_NOT_JSON") from error
    if not isinstance(header, dict):
        raise _invalid("the header is no JSON object")
    check_count(len(header))
    return header, 8 + length


def read_safetensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors by name in the header's order, as float64, and the metadata.

    Raises:
        CheckpointError: the file breaks the format or a limit, or holds another number type.
    """
    header, start = read_header(path)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _invalid("its metadata are no texts by name")
    entries = [_read_entry(name, entry) for name, entry in header.items()]
    _check_layout(entries, path.stat().st_size - start)
    if not entries:
        return {}, metadata
    data = np.memmap(path, np.uint8, "r", offset=start)
    return {entry.name: _numbers(entry, data) for entry in entries}, metadata


def _read_entry(name: str, entry: Any) -> _Entry:
    check_name(name)
    if not isinstance(entry, Mapping) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise _invalid(f"tensor {shown(name)} has no dtype, shape and data_offsets alone")
    kind, shape, place = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in FLOAT_TYPES:
        raise CheckpointError(
            f"tensor {shown(name)} has type {shown(str(kind))}; float16, bfloat16, float32 and "
            "float64 are read",
            code="TENSOR_TYPE",
        )
    if not _are_integers(shape) or not _are_integers(place) or len(place) != 2:
        raise _invalid(f"tensor {shown(name)} has no list of sizes or no two offsets")
    if len(shape) > _MOST_DIMENSIONS or any(size < 1 for size in shape):
        raise CheckpointError(
            f"tensor {shown(name)} has shape {shown(str(shape[:9]))}; 1 to {_MOST_DIMENSIONS} "
            "sizes, each at least 1, are read",
            code="TENSOR_SHAPE",
        )
    return _Entry(name, FLOAT_TYPES[kind], tuple(shape), place[0], place[1])


def _are_integers(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)


def _check_layout(entries: list[_Entry], data_bytes: int) -> None:
    """The tensors must fill the file: no hole, no overlap, nothing behind the last."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.begin):
        if entry.begin != end:
            raise _invalid(f"the bytes before tensor {shown(entry.name)} overlap or leave a hole")
        width = 2 if entry.kind == "bf16" else np.dtype(entry.kind).itemsize
        if entry.end - entry.begin != math.prod(entry.shape) * width:
            raise _invalid(
                f"tensor {shown(entry.name)} of shape {shown(str(list(entry.shape)))} does not "
                "take the bytes that its offsets say"
            )
        end = entry.end
    if end != data_bytes:
        raise _invalid(f"its tensors take {end} bytes, but {data_bytes} follow the header")


def _numbers(entry: _Entry, data: NDArray[np.uint8]) -> NDArray[np.float64]:
    kind = "<u2" if entry.kind == "bf16" else entry.kind
    stored = data[entry.begin : entry.end].view(kind).reshape(entry.shape)
    return widen(stored, entry.kind)


def write_network(
    network: Network, path: Path, activation: str | None, slope: float | None = None
) -> None:
    """The canonical form: float32 where that is exact, else float64."""
    tensors: dict[str, NDArray[np.floating]] = {}
    for number, layer in enumerate(network.layers):
        tensors[f"layer.{number}.weight"] = _narrowest(layer.weight)
        if layer.bias is not None:
            tensors[f"layer.{number}.bias"] = _narrowest(layer.bias)
    metadata = {"activation": activation} if activation else {}
    if slope is not None:
        metadata["slope"] = repr(slope)
    save_file(tensors, str(path), metadata=metadata or None)


def _narrowest(values: NDArray[np.float64]) -> NDArray[np.floating]:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    exact = bool((single.astype(np.float64) == values).all())
    return np.ascontiguousarray(single if exact else values)
