"""Activations as ONNX nodes, spelled in operators that every runtime of operator set 18 has."""

from __future__ import annotations

import math
from collections.abc import Callable

from ltengine.activation import SELU_ALPHA, SELU_SCALE, Activation
from ltengine.export.onnx_graph import Graph

_Spell = Callable[[Graph, str], str]


def apply_activation(graph: Graph, activation: Activation, x: str) -> str:
    """Nodes that apply the activation to the value ``x``; the name of the result."""
    if activation.name in ("leaky_relu", "prelu"):
        return graph.node("LeakyRelu", x, alpha=activation.slope)
    return _SPELLINGS[activation.name](graph, x)


def _operator(name: str, **attributes: float) -> _Spell:
    return lambda graph, x: graph.node(name, x, **attributes)


def _clip(low: float, high: float) -> _Spell:
    return lambda graph, x: graph.node("Clip", x, graph.number(low), graph.number(high))


def _identity(_graph: Graph, x: str) -> str:
    return x


def _gelu(graph: Graph, x: str) -> str:
    scaled = graph.node("Div", x, graph.number(math.sqrt(2)))
    share = graph.node("Add", graph.node("Erf", scaled), graph.number(1.0))
    return graph.node("Mul", graph.node("Mul", x, graph.number(0.5)), share)


def _silu(graph: Graph, x: str) -> str:
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def _mish(graph: Graph, x: str) -> str:
    return graph.node("Mul", x, graph.node("Tanh", graph.node("Softplus", x)))


def _hardswish(graph: Graph, x: str) -> str:
    share = graph.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
    return graph.node("Mul", x, share)


def _shifted_relu(graph: Graph, x: str) -> str:
    return graph.node("Relu", graph.node("Sub", x, graph.number(1.0)))


_SPELLINGS: dict[str, _Spell] = {
    "identity": _identity,
    "relu": _operator("Relu"),
    "tanh": _operator("Tanh"),
    "sigmoid": _operator("Sigmoid"),
    "elu": _operator("Elu", alpha=1.0),
    "selu": _operator("Selu", alpha=SELU_ALPHA, gamma=SELU_SCALE),
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
    "softplus": _operator("Softplus"),
    "softsign": _operator("Softsign"),
    "hardtanh": _clip(-1.0, 1.0),
    "hardsigmoid": _operator("HardSigmoid", alpha=1 / 6, beta=0.5),
    "hardswish": _hardswish,
    "arctan": _operator("Atan"),
    "sin": _operator("Sin"),
    "relu6": _clip(0.0, 6.0),
    "abs": _operator("Abs"),
    "shifted_relu": _shifted_relu,
}
