"""Cases O1 to O6: ONNX files that reach outside, nest, lie about sizes, or are costly to run."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ltengine.checkpoint import read_checkpoint
from ltengine.errors import CheckpointError
from tests.engine.onnx_models import GraphWriter
from tests.hostile.torch_archives import written

W = np.ones((3, 3), np.float32)


def model(weight: TensorProto | None = None) -> onnx.ModelProto:
    """One dense layer with this initializer as its weights."""
    writer = GraphWriter([1, 3])
    initializer = weight or numpy_helper.from_array(W)
    initializer.name = "w"
    writer.weights.append(initializer)
    writer.node("MatMul", ".", "w")
    return writer.model()


def refused(folder: Path, data: onnx.ModelProto | bytes) -> str:
    content = data if isinstance(data, bytes) else data.SerializeToString()
    tracemalloc.start()
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(written(folder, content))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (8 << 20) + 20 * len(content)
    assert len(caught.value.detail) < 500
    return caught.value.code


def test_the_plain_model_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, model().SerializeToString())

    assert read_checkpoint(path).network.parameters == 9


@pytest.mark.parametrize("place", ["../x", "/etc/passwd", "link", "a\x00b"])
def test_o1_data_outside_the_file_are_never_opened(tmp_path: Path, place: str) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    weight = TensorProto(dims=[3, 3], data_type=TensorProto.FLOAT)
    weight.data_location = TensorProto.EXTERNAL
    for key, value in [("location", place), ("offset", "0"), ("length", str(2**50))]:
        weight.external_data.add(key=key, value=value)
    without_location = TensorProto()
    without_location.CopyFrom(weight)
    without_location.ClearField("data_location")

    assert refused(tmp_path, model(weight)) == "EXTERNAL_DATA"
    assert refused(tmp_path, model(without_location)) == "EXTERNAL_DATA"


def test_o2_nested_graphs_are_not_followed(tmp_path: Path) -> None:
    def field(number: int, content: bytes) -> bytes:
        size, length = b"", len(content)
        while length > 127:
            size, length = size + bytes([length & 127 | 128]), length >> 7
        return bytes([number << 3 | 2]) + size + bytes([length]) + content

    graph = b""
    for _ in range(2000):
        attribute = field(1, b"then_branch") + field(6, graph)
        node = field(4, b"If") + field(5, attribute)
        graph = field(1, node)

    assert refused(tmp_path, b"\x08\x09" + field(7, graph)) == "ONNX_UNSUPPORTED"


@pytest.mark.parametrize("dims", [[2**20, 2**20], [2**62, 2**62], [3, 4], [3, 2]])
@pytest.mark.parametrize("raw", [b"", W.tobytes()])
def test_o3_sizes_must_match_the_data(tmp_path: Path, dims: list[int], raw: bytes) -> None:
    weight = TensorProto(dims=dims, data_type=TensorProto.FLOAT, raw_data=raw)
    typed = TensorProto(dims=dims, data_type=TensorProto.FLOAT, float_data=[1.0] * (len(raw) // 4))

    assert refused(tmp_path, model(weight)) == "TENSOR_SIZE"
    assert refused(tmp_path, model(typed)) == "TENSOR_SIZE"


@pytest.mark.parametrize("dims", [[-1, 4], [0, 3], [-3, -3], [0], [1] * 9])
def test_o4_sizes_are_positive(tmp_path: Path, dims: list[int]) -> None:
    weight = TensorProto(dims=dims, data_type=TensorProto.FLOAT, raw_data=bytes(16))

    assert refused(tmp_path, model(weight)) == "TENSOR_SHAPE"


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "Tile", "Pad", "Range", "Resize"])
def test_o5_nothing_is_computed_from_constants(tmp_path: Path, kind: str) -> None:
    writer = GraphWriter([1, 3])
    sizes = writer.constant(np.array([2**20, 2**20]))
    inputs = [sizes] if kind == "ConstantOfShape" else [writer.constant(W[:1]), sizes]
    writer.nodes.append(helper.make_node(kind, inputs, ["w"]))
    writer.node("MatMul", ".", "w")

    assert refused(tmp_path, writer.model()) == "ONNX_UNSUPPORTED"


def test_o5_claimed_sizes_of_the_input_cost_nothing(tmp_path: Path) -> None:
    writer = GraphWriter([1, 2**20, 2**20, 2**20])
    writer.node("Sub", ".", writer.constant(np.ones((1, 1, 1, 1), np.float32)))
    writer.node("Sub", ".", writer.constant(np.ones((2**20, 1, 1), np.float32)))
    writer.node("Flatten")
    writer.node("Gemm", ".", writer.constant(W))

    assert refused(tmp_path, writer.model()) == "ONNX_SHAPES"


def test_o5_small_files_do_not_grow_by_using_weights_again(tmp_path: Path) -> None:
    writer = GraphWriter([1, 3])
    name = writer.constant(W)
    for _ in range(900):
        writer.node("Gemm", ".", name, alpha=2.0)
        writer.node("Relu")

    assert refused(tmp_path, writer.model()) in {"ALIASED_TENSOR", "ONNX_TOO_LARGE"}


def with_functions() -> onnx.ModelProto:
    made = model()
    made.functions.add(name="f", domain="d")
    return made


def with_sparse() -> onnx.ModelProto:
    made = model()
    made.graph.sparse_initializer.add()
    return made


def with_custom_operation() -> onnx.ModelProto:
    made = model()
    made.graph.node[0].domain = "com.evil"
    return made


def with_two_inputs() -> onnx.ModelProto:
    made = model()
    made.graph.input.append(helper.make_tensor_value_info("y", TensorProto.FLOAT, [1]))
    return made


def with_two_initializers() -> onnx.ModelProto:
    made = model()
    made.graph.initializer.append(made.graph.initializer[0])
    return made


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (model(TensorProto(dims=[1], data_type=8, string_data=[b"x"])), "TENSOR_TYPE"),
        (model(TensorProto(dims=[1], data_type=99)), "TENSOR_TYPE"),
        (model(TensorProto(dims=[1], data_type=TensorProto.UNDEFINED)), "TENSOR_TYPE"),
        (with_sparse(), "ONNX_UNSUPPORTED"),
        (with_functions(), "ONNX_UNSUPPORTED"),
        (with_custom_operation(), "ONNX_UNSUPPORTED"),
        (with_two_inputs(), "NOT_A_CHAIN"),
        (with_two_initializers(), "DUPLICATE_TENSOR"),
        (onnx.ModelProto(ir_version=9), "INVALID_ONNX"),
        (b"\x08\x09\x3a", "INVALID_ONNX"),
        (b"\x08\x09" + b"\xff" * 20, "INVALID_ONNX"),
    ],
)  # fmt: skip
def test_o6_parts_that_are_not_read_are_refused_by_name(
    tmp_path: Path, made: Any, code: str
) -> None:
    assert refused(tmp_path, made) == code


def test_o6_fields_are_counted(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(written(tmp_path, b"\x08\x09" * 1_100_000))

    assert caught.value.code == "ONNX_TOO_LARGE"


def test_o6_a_model_beyond_two_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    path = written(tmp_path, b"\x08\x09")
    with path.open("r+b") as file:
        file.truncate((2 << 30) + 1)

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(path)

    assert caught.value.code == "ONNX_TOO_LARGE"
