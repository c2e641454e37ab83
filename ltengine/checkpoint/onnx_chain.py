"""Follows a graph from its input to its output, node by node, gathering layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.affine import AffineMap, fit_sample
from ltengine.checkpoint.onnx_model import Graph, Node
from ltengine.checkpoint.refusal import shown
from ltengine.errors import NetworkError
from ltengine.network import DenseLayer

Array = NDArray[np.float64]

_ACTIVATIONS = {
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "PRelu": "prelu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Elu": "elu",
    "Selu": "selu",
    "Gelu": "gelu",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "HardSwish": "hardswish",
    "Mish": "mish",
    "Atan": "arctan",
    "Sin": "sin",
    "Abs": "abs",
}
_TAILS = {"Softmax", "LogSoftmax"}
_PASSING = {"Identity", "Dropout", "Cast"}
_RESHAPING = {"Flatten", "Reshape", "Squeeze", "Unsqueeze"}
_ON_SIZES = {"Gather", "Unsqueeze", "Squeeze", "Concat", "Slice", "Cast", "Mul"}
_ELEMENTWISE = {"Add", "Sub", "Mul", "Div"}


def _refuse(detail: str, code: str) -> NetworkError:
    return NetworkError(f"{detail}; only chains of dense layers are read", code=code)


@dataclass
class _Layout:
    """How samples lie in the graph's matrices.

    Attributes:
        vector: they are no matrices: the input has one axis.
        rows: the sizes of the first axis, if known.
        columns: whether samples are columns; None before the first layer.
    """

    vector: bool
    rows: int | None
    columns: bool | None = None

    @classmethod
    def of(cls, declared: tuple[int | None, ...] | None) -> _Layout:
        return cls(declared is not None and len(declared) == 1, declared[0] if declared else None)


class Chain:
    """The one path from input to output, as far as it was followed.

    Attributes:
        layers: the finished ones.
        activation: the one between them, by the engine's name.
        slope: its negative slope, where it has one.
    """

    def __init__(self, graph: Graph) -> None:
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise _refuse(
                f"the graph has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs",
                "NOT_A_CHAIN",
            )
        self.layers: list[DenseLayer] = []
        self.activation: str | None = None
        self.slope: float | None = None
        self._constants: dict[str, Array] = dict(graph.constants)
        self._sizes: set[str] = set()
        self._current, declared = graph.inputs[0]
        self._output = graph.outputs[0]
        # Sizes of one sample: the first axis counts samples, unless it is the only one.
        sample = declared if declared is None or len(declared) == 1 else declared[1:]
        known = sample is not None and all(size is not None for size in sample)
        self._shape = tuple(int(s or 0) for s in sample) if known and sample is not None else None
        self._layout = _Layout.of(declared)
        self._unused = sum(constant.size for constant in graph.constants.values())
        self._affine = AffineMap()
        self._ended = False

    @classmethod
    def through(cls, graph: Graph) -> Chain:
        """Follow the whole graph.

        Raises:
            CheckpointError: it is no chain of dense layers.
        """
        chain = cls(graph)
        for node in graph.nodes:
            chain._follow(node)
        chain._finish()
        return chain

    def _finish(self) -> None:
        if self._current != self._output:
            raise _refuse("the last node does not give the graph's output", "NOT_A_CHAIN")
        if self._affine.weight is None:
            raise _refuse(
                "the graph ends in an activation, or has no layer: take what follows the last "
                "dense layer off before exporting",
                "ACTIVATION_AT_THE_END" if self.layers else "NO_LAYERS",
            )
        self.layers.append(self._affine.layer())

    def _follow(self, node: Node) -> None:
        inputs = [name for name in node.inputs if name]
        if self._current not in inputs:
            self._prepare(node, inputs)
            return
        if not node.outputs or inputs.count(self._current) != 1:
            raise _refuse(f"a node {shown(node.kind)} uses one value twice", "NOT_A_CHAIN")
        if node.kind == "Shape":
            self._sizes.update(node.outputs)
            return
        others = [name for name in inputs if name != self._current]
        if self._ended and node.kind not in _PASSING | _RESHAPING:
            raise _refuse(f"a node {shown(node.kind)} follows the softmax", "ONNX_UNSUPPORTED")
        self._step(node, others)
        self._current = node.outputs[0]

    def _prepare(self, node: Node, inputs: list[str]) -> None:
        """A node beside the chain: a constant, its transpose, or arithmetic on sizes."""
        constant: Array | None = None
        known = all(name in self._constants or name in self._sizes for name in inputs)
        if node.kind == "Constant" and isinstance(node.attributes.get("value"), np.ndarray):
            constant = node.attributes["value"]
        elif node.kind == "Constant" and not node.outputs:
            return
        elif node.kind == "Constant":
            scalar = node.attributes.get("value_float", node.attributes.get("value_int"))
            listed = node.integers("value_ints")
            if scalar is None and listed is None:
                raise _refuse("a Constant of another kind than numbers", "ONNX_UNSUPPORTED")
            constant = np.asarray(listed if listed is not None else scalar, np.float64)
        elif node.kind in ("Identity", "Transpose") and len(inputs) == 1 and known:
            given = self._constants.get(inputs[0])
            constant = None if given is None else _transposed(node, given)
        if constant is not None and len(node.outputs) == 1:
            self._unused += constant.size if node.kind == "Constant" else 0
            self._constants[node.outputs[0]] = constant
        elif node.kind in _ON_SIZES and known and any(name in self._sizes for name in inputs):
            self._sizes.update(node.outputs)
        elif known or not inputs:
            raise _refuse(
                f"a node {shown(node.kind)} computes a constant, and nothing of an uploaded graph "
                "is run; fold constants before exporting",
                "ONNX_UNSUPPORTED",
            )
        else:
            raise _refuse(f"a node {shown(node.kind)} is not on the one path", "NOT_A_CHAIN")

    def _step(self, node: Node, others: list[str]) -> None:
        kind = node.kind
        if kind in _ACTIVATIONS:
            self._activate(node, others)
        elif kind in _PASSING:
            pass
        elif kind in _TAILS:
            self._ended = True
        elif kind in _RESHAPING:
            self._reshape(node, others)
        elif kind in _DENSE:
            weight, bias = _DENSE[kind](self, node, others)
            self._affine.apply(weight, bias, _layer_name(others))
            self._shape = (weight.shape[0], 1, 1) if kind == "Conv" else (weight.shape[0],)
            self._layout.rows = weight.shape[0]
        elif kind in _ELEMENTWISE:
            first = node.inputs[0] == self._current
            if kind == "Div" and not first:
                raise _refuse("a constant is divided by the input", "ONNX_UNSUPPORTED")
            turned = "rsub" if kind == "Sub" and not first else kind
            self._affine.elementwise(turned, self._fitted(self._constant(others, 0)))
        else:
            code = "CONVOLUTION" if kind in ("MaxPool", "AveragePool") else "ONNX_UNSUPPORTED"
            raise _refuse(f"the operation {shown(kind)} is not read", code)

    def _constant(self, names: list[str], index: int) -> Array:
        """A node's other input, which must be an initializer."""
        if index >= len(names) or names[index] not in self._constants:
            raise _refuse("a node combines two computed values: the graph branches", "NOT_A_CHAIN")
        return self._constants[names[index]]

    def _weights(self, names: list[str]) -> Array:
        """A layer's weights. Each number of the file is used once, so no small file grows."""
        weights = self._constant(names, 0)
        self._unused -= weights.size
        if self._unused < 0:
            raise _refuse("several layers share their weights", "ALIASED_TENSOR")
        return weights

    def _fitted(self, constant: Array) -> Array:
        """A constant beside the sample, as one number or one for each of its elements."""
        if self._layout.columns and constant.size > 1:
            if constant.shape != (self._layout.rows, 1):
                raise _refuse(f"a column meets a constant of {constant.shape}", "ONNX_SHAPES")
            return constant.reshape(-1)
        return fit_sample(constant, self._shape)

    def _activate(self, node: Node, others: list[str]) -> None:
        if self._affine.weight is None:
            raise _refuse(f"a {node.kind} does not follow a layer", "ONNX_UNSUPPORTED")
        name, slope = _ACTIVATIONS[node.kind], None
        if name == "leaky_relu":
            slope = node.number("alpha", 0.01)
        elif name == "prelu":
            slopes = np.unique(self._constant(others, 0))
            if slopes.size != 1:
                raise _refuse("a PRelu has several slopes", "ONNX_UNSUPPORTED")
            slope = float(str(np.float32(slopes[0])))
        elif name == "elu" and node.number("alpha", 1.0) != 1.0:
            raise _refuse("an Elu has another alpha than 1", "ONNX_UNSUPPORTED")
        if slope is not None and not 0.0 <= slope < 1.0:
            raise _refuse(f"a {node.kind} has the slope {slope}", "ONNX_UNSUPPORTED")
        if self.layers and (name, slope) != (self.activation, self.slope):
            raise _refuse(
                f"the layers have different activations ({self.activation} and {name})",
                "MIXED_ACTIVATIONS",
            )
        self.activation, self.slope = name, slope
        self.layers.append(self._affine.layer())
        self._affine = AffineMap()

    def _reshape(self, node: Node, others: list[str]) -> None:
        """Keep track of a sample's sizes. Its numbers keep their order whatever the shape."""
        size = None if self._shape is None else math.prod(self._shape)
        shape: tuple[int, ...] | None = None if size is None else (size,)
        if node.kind == "Flatten" and node.number("axis", 1) not in (0, 1, -3):
            leading = (self._shape or (2,))[: int(node.number("axis", 1)) - 1]
            if math.prod(leading) != 1:
                raise _refuse("a Flatten keeps several axes", "ONNX_UNSUPPORTED")
        elif node.kind == "Reshape" and others and others[0] in self._constants:
            target = [int(n) for n in self._constants[others[0]].reshape(-1)[:9]]
            sample = target if len(target) == 1 else target[1:]
            if all(n > 0 for n in sample):
                shape = tuple(sample)
            elif len(sample) > 1:
                shape = None
            if size is not None and shape is not None and math.prod(shape) != size:
                raise _refuse(f"a Reshape turns {size} numbers into {shape}", "ONNX_SHAPES")
        self._shape = shape

    def _enter(self, features: int, *, rows: bool) -> None:
        """Every number of a sample must enter the layer, at once; samples are rows or columns."""
        layout, shape = self._layout, self._shape
        if not layout.vector:
            if layout.columns is not None and layout.columns == rows:
                raise _refuse("samples are rows in one layer, columns in another", "ONNX_SHAPES")
            if not rows:
                fits = layout.rows in (None, features)
                single = layout.columns is not None or shape is None or math.prod(shape) == 1
                shape = None if fits and single else (0,)
            layout.columns = not rows
        if shape is not None and (shape[-1] != features or math.prod(shape) != features):
            raise _refuse(
                f"a layer of {features} inputs meets samples of shape {self._shape}", "ONNX_SHAPES"
            )

    def matmul(self, node: Node, others: list[str]) -> tuple[Array, Array | None]:
        """X W, or W X for samples that are columns."""
        rows = node.inputs[0] == self._current
        weight = _matrix(self._weights(others))
        weight = weight.T if rows else weight
        self._enter(weight.shape[1], rows=rows)
        return weight, None

    def gemm(self, node: Node, others: list[str]) -> tuple[Array, Array | None]:
        """Alpha A' B' + beta C, where the sample is A (a row) or B (a column)."""
        if self._current not in node.inputs[:2]:
            raise _refuse("a Gemm adds the sample instead of multiplying it", "NOT_A_CHAIN")
        rows = node.inputs[0] == self._current
        if node.number("transA" if rows else "transB", 0) != 0:
            raise _refuse("a Gemm transposes the sample", "ONNX_UNSUPPORTED")
        weight = _matrix(self._weights(others))
        turned = node.number("transB" if rows else "transA", 0) != 0
        weight = weight if turned == rows else weight.T
        self._enter(weight.shape[1], rows=rows)
        alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
        if alpha != 1.0:
            weight = weight * alpha
        if len(others) < 2:
            return weight, None
        given, outputs = self._constant(others, 1), weight.shape[0]
        expected = {(outputs,), (1, outputs)} if rows else {(outputs, 1)}
        if given.size != 1 and given.shape not in expected:
            raise _refuse(f"a Gemm of {outputs} outputs adds {given.shape}", "ONNX_SHAPES")
        return weight, np.broadcast_to(given.reshape(-1), (outputs,)) * beta

    def conv(self, node: Node, others: list[str]) -> tuple[Array, Array | None]:
        """A convolution whose kernel covers the whole image: a dense layer."""
        kernel = self._weights(others)
        covers = kernel.ndim >= 3 and self._shape == kernel.shape[1:]
        padded = any(node.integers("pads") or []) or node.attributes.get("auto_pad") in (
            "SAME_UPPER",
            "SAME_LOWER",
        )
        dilated = any(step != 1 for step in node.integers("dilations") or [])
        if not covers or padded or dilated or node.number("group", 1) != 1:
            raise _refuse(
                f"a convolution with a kernel of shape {kernel.shape} does not cover samples of "
                f"shape {self._shape}",
                "CONVOLUTION",
            )
        outputs = kernel.shape[0]
        bias = self._constant(others, 1) if len(others) > 1 else None
        if bias is not None and bias.shape != (outputs,):
            raise _refuse(f"a Conv of {outputs} outputs adds {bias.shape}", "ONNX_SHAPES")
        return kernel.reshape(outputs, -1), bias


_DENSE: Mapping[str, Callable[[Chain, Node, list[str]], tuple[Array, Array | None]]] = {
    "MatMul": Chain.matmul,
    "Gemm": Chain.gemm,
    "Conv": Chain.conv,
}


def _layer_name(others: list[str]) -> str:
    return others[0][:64]


def _matrix(constant: Array) -> Array:
    if constant.ndim != 2:
        raise _refuse(f"a weight has shape {constant.shape}", "ONNX_SHAPES")
    return constant


def _transposed(node: Node, constant: Array) -> Array:
    """The constant itself, or its transpose: a view, so nothing is computed."""
    if node.kind == "Identity":
        return constant
    order = node.integers("perm")
    if order is not None and sorted(order) != list(range(constant.ndim)):
        raise _refuse("a Transpose names axes that are not there", "ONNX_UNSUPPORTED")
    return constant.transpose(order)
