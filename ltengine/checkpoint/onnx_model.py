"""The parts of an ONNX model that a chain of dense layers has: nodes and initializers, as data.

Nothing is executed or folded, and no other file is opened. Field numbers are those of onnx.proto3.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.numbers import widen
from ltengine.checkpoint.protobuf import (
    FieldBudget,
    as_integer,
    as_integers,
    as_message,
    as_text,
    broken_message,
    fields,
)
from ltengine.checkpoint.refusal import check_count, shown, tensor_too_large
from ltengine.errors import CheckpointError

LARGEST_MODEL = 2 << 30
MOST_NODES = 10_000
_MOST_DIMENSIONS = 8
_LARGEST_TEXT = 256

# data_type: (raw elements, the field of typed elements, their type there)
_TYPES: dict[int, tuple[str, int, str]] = {
    1: ("<f4", 4, "<f4"),
    6: ("<i4", 5, "varint"),
    7: ("<i8", 7, "varint"),
    10: ("<f2", 5, "varint"),
    11: ("<f8", 10, "<f8"),
    16: ("bf16", 5, "varint"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """One operation.

    Attributes:
        kind: op_type.
        inputs: names of values; "" where an optional one is left out.
        outputs: names of values.
        attributes: numbers, lists of integers, texts, and tensors, by name.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def number(self, name: str, default: float) -> float:
        """A numeric attribute."""
        value = self.attributes.get(name, default)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise broken_message()
        return value

    def integers(self, name: str) -> list[int] | None:
        """An attribute that lists integers."""
        value = self.attributes.get(name)
        return value if isinstance(value, list) else None


@dataclass(frozen=True, slots=True)
class Graph:
    """A model's graph.

    Attributes:
        nodes: in the file's order, which ONNX wants to be the order of execution.
        constants: initializers by name, as float64.
        inputs: (name, sizes) of what is fed in; a size is None where the file leaves it open.
        outputs: names of the results.
    """

    nodes: tuple[Node, ...]
    constants: Mapping[str, NDArray[np.float64]]
    inputs: tuple[tuple[str, tuple[int | None, ...] | None], ...]
    outputs: tuple[str, ...]


@dataclass
class _Draft:
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    inputs: list[tuple[str, tuple[int | None, ...] | None]] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)


def unsupported(what: str) -> CheckpointError:
    """A part of ONNX that a fully-connected network does not need."""
    return CheckpointError(
        f"the model has {what}; a fully-connected network exported for inference does not need "
        "that",
        code="ONNX_UNSUPPORTED",
    )


def parse_model(data: memoryview) -> Graph:
    """The graph of a serialized ModelProto.

    Raises:
        CheckpointError: it is broken, breaks a limit, or has parts that are not read.
    """
    if len(data) > LARGEST_MODEL:
        raise CheckpointError(
            f"the model takes {len(data)} bytes; protobuf ends at {LARGEST_MODEL}",
            code="ONNX_TOO_LARGE",
        )
    budget = FieldBudget()
    graphs = []
    for number, value in fields(data, budget):
        if number == 7:
            graphs.append(as_message(value))
        elif number in (20, 25):
            raise unsupported("training information" if number == 20 else "functions of its own")
    if len(graphs) != 1:
        raise broken_message()
    return _parse_graph(graphs[0], budget)


def _parse_graph(message: memoryview, budget: FieldBudget) -> Graph:
    draft = _Draft()
    for number, value in fields(message, budget):
        if number == 1:
            draft.nodes.append(_parse_node(as_message(value), budget))
        elif number == 5:
            name, tensor = parse_tensor(as_message(value), budget)
            if name in draft.constants:
                raise CheckpointError(
                    f"there are two initializers {shown(name)}", code="DUPLICATE_TENSOR"
                )
            draft.constants[name] = tensor
            check_count(len(draft.constants))
        elif number == 11:
            draft.inputs.append(_parse_value(as_message(value), budget))
        elif number == 12:
            draft.outputs.append(_parse_value(as_message(value), budget)[0])
        elif number == 15:
            raise unsupported("sparse initializers")
        if len(draft.nodes) > MOST_NODES:
            raise CheckpointError(f"over {MOST_NODES} nodes", code="ONNX_TOO_LARGE")
    fed = tuple(given for given in draft.inputs if given[0] not in draft.constants)
    return Graph(tuple(draft.nodes), draft.constants, fed, tuple(draft.outputs))


def _parse_node(message: memoryview, budget: FieldBudget) -> Node:
    inputs: list[str] = []
    outputs: list[str] = []
    attributes: dict[str, Any] = {}
    kind = domain = ""
    for number, value in fields(message, budget):
        if number in (1, 2):
            (inputs if number == 1 else outputs).append(as_text(value))
        elif number == 4:
            kind = as_text(value)
        elif number == 5:
            name, content = _parse_attribute(as_message(value), budget)
            attributes[name] = content
        elif number == 7:
            domain = as_text(value)
    if domain not in ("", "ai.onnx"):
        raise unsupported(f"an operation of the domain {shown(domain)}")
    return Node(kind, tuple(inputs), tuple(outputs), attributes)


def _parse_attribute(message: memoryview, budget: FieldBudget) -> tuple[str, Any]:
    name = ""
    content: Any = None
    integers: list[int] | None = None
    for number, value in fields(message, budget):
        if number == 1:
            name = as_text(value)
        elif number == 2:
            content = _single(as_message(value))
        elif number == 3:
            content = as_integer(value)
        elif number == 4:
            content = bytes(as_message(value)[:_LARGEST_TEXT]).decode(errors="replace")
        elif number == 5:
            content = parse_tensor(as_message(value), budget)[1]
        elif number == 8:
            integers = (integers or []) + as_integers(value, budget)
        elif number in (6, 11):
            raise unsupported("a graph within a graph")
        elif number in (10, 22, 23):
            raise unsupported("sparse or listed tensors")
    return name, integers if integers is not None else content


def _single(packed: memoryview) -> float:
    """A float32 as the shortest decimal that means it: 0.01 rather than 0.00999999977648258."""
    if len(packed) != 4:
        raise broken_message()
    return float(str(np.float32(struct.unpack("<f", packed)[0])))


def _parse_value(
    message: memoryview, budget: FieldBudget
) -> tuple[str, tuple[int | None, ...] | None]:
    """Name and sizes of a graph's input: ValueInfo -> type -> tensor_type -> shape -> dim."""
    name, kind = "", None
    for number, value in fields(message, budget):
        if number == 1:
            name = as_text(value)
        elif number == 2:
            kind = as_message(value)
    shape = None if kind is None else _within(_within(kind, 1, budget), 2, budget)
    if shape is None:
        return name, None
    sizes: list[int | None] = []
    for number, value in fields(shape, budget):
        if number == 1:
            given = [v for n, v in fields(as_message(value), budget) if n == 1]
            sizes.append(as_integer(given[-1]) if given else None)
    if len(sizes) > _MOST_DIMENSIONS or any(size is not None and size < 0 for size in sizes):
        raise broken_message()
    return name, tuple(size or None for size in sizes)


def _within(message: memoryview | None, wanted: int, budget: FieldBudget) -> memoryview | None:
    if message is None:
        return None
    found = [value for number, value in fields(message, budget) if number == wanted]
    return as_message(found[-1]) if found else None


def parse_tensor(message: memoryview, budget: FieldBudget) -> tuple[str, NDArray[np.float64]]:
    """Name and numbers of a TensorProto, whose bytes must all be in this file.

    Raises:
        CheckpointError: EXTERNAL_DATA, TENSOR_TYPE, TENSOR_SHAPE, TENSOR_SIZE or INVALID_ONNX.
    """
    name, kind, raw = "", 0, None
    sizes: list[int] = []
    typed: dict[int, list[memoryview | int]] = {}
    for number, value in fields(message, budget):
        if number == 1:
            sizes += as_integers(value, budget)
        elif number == 2:
            kind = as_integer(value)
        elif number == 8:
            name = as_text(value)
        elif number == 9:
            raw = as_message(value)
        elif number == 13 or (number == 14 and value != 0):
            raise CheckpointError(
                f"tensor {shown(name)} keeps its data in another file; export the model with all "
                "weights inside, for example onnx.save(model, path, save_as_external_data=False)",
                code="EXTERNAL_DATA",
            )
        elif number in (4, 5, 7, 10):
            typed.setdefault(number, []).append(value)
    if kind not in _TYPES:
        raise CheckpointError(
            f"tensor {shown(name)} has ONNX type {kind}; float16, bfloat16, float32, float64, "
            "int32 and int64 are read",
            code="TENSOR_TYPE",
        )
    if len(sizes) > _MOST_DIMENSIONS or any(size < 1 for size in sizes):
        raise CheckpointError(
            f"tensor {shown(name)} has sizes {shown(str(sizes[:9]))}; all must be at least 1",
            code="TENSOR_SHAPE",
        )
    numbers = _stored(kind, raw, typed, math.prod(sizes), budget)
    if numbers is None:
        raise tensor_too_large(name, sizes)
    return name, widen(numbers.reshape(sizes), _TYPES[kind][0])


def _stored(
    kind: int,
    raw: memoryview | None,
    typed: Mapping[int, list[memoryview | int]],
    count: int,
    budget: FieldBudget,
) -> NDArray[Any] | None:
    """The elements; None unless there are exactly ``count``."""
    element, place, packed = _TYPES[kind]
    raw_type = np.dtype("<u2" if element == "bf16" else element)
    if raw is not None:
        if len(raw) != count * raw_type.itemsize:
            return None
        return np.frombuffer(raw, raw_type)
    pieces = typed.get(place, [])
    if packed == "varint":
        whole = [number for piece in pieces for number in as_integers(piece, budget)]
        if len(whole) != count:
            return None
        if element in ("<f2", "bf16"):
            words = np.array([number & 0xFFFF for number in whole], np.uint16)
            return words.view(np.float16) if element == "<f2" else words
        return np.array(whole, np.int64)
    joined = b"".join(as_message(piece) for piece in pieces)
    if len(joined) != count * np.dtype(packed).itemsize:
        return None
    return np.frombuffer(joined, packed)
