"""ONNX models of small dense networks, each built in one of the ways that exporters use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[Any]


@dataclass
class GraphWriter:
    """Appends nodes to one chain."""

    shape: list[int | str]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[onnx.TensorProto] = field(default_factory=list)
    current: str = "x"
    kind: int = TensorProto.FLOAT

    def constant(self, values: ArrayLike, name: str | None = None) -> str:
        name = name or f"c{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> None:
        """A node; an input called "." is the chain's current value."""
        given = [self.current if name == "." else name for name in inputs or (".",)]
        self.current = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, given, [self.current], **attributes))

    def model(self, **options: Any) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", self.kind, self.shape)],
            [helper.make_tensor_value_info(self.current, self.kind, None)],
            self.weights,
        )
        opsets = [helper.make_opsetid("", 20)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9, **options)


def run(model: onnx.ModelProto, inputs: Array) -> Array:
    """What ONNX Runtime makes of one batch of inputs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.asarray(session.run(None, {"x": inputs})[0])


def dense(writer: GraphWriter, style: str, weight: Array, bias: Array) -> None:
    """One dense layer, (output, input) weights, in one of these styles."""
    w = writer.constant
    if style == "gemm":
        writer.node("Gemm", ".", w(weight.T), w(bias))
    elif style == "gemm_transposed":
        writer.node("Gemm", ".", w(weight), w(bias), transB=1)
    elif style == "gemm_scaled":
        writer.node("Gemm", ".", w(weight / 2), w(bias[None] * 4), transB=1, alpha=2.0, beta=0.25)
    elif style == "matmul_add":
        writer.node("MatMul", ".", w(weight.T))
        writer.node("Add", ".", w(bias))
    elif style == "add_matmul":
        writer.node("MatMul", ".", w(weight.T))
        writer.node("Add", w(bias), ".")
    elif style == "matmul_sub":
        writer.node("MatMul", ".", w(-weight.T))
        writer.node("Sub", w(bias), ".")
    elif style == "transposed_matmul":
        name = w(weight)
        writer.nodes.append(helper.make_node("Transpose", [name], [f"{name}t"], perm=[1, 0]))
        writer.node("MatMul", ".", f"{name}t")
        writer.node("Add", ".", w(bias))
    else:
        raise AssertionError(style)


STYLES = [
    "gemm",
    "gemm_transposed",
    "gemm_scaled",
    "matmul_add",
    "add_matmul",
    "matmul_sub",
    "transposed_matmul",
]
