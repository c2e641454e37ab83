"""Dense layers under construction: what stands between two activations, gathered into W and b."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.refusal import shown
from ltengine.errors import NetworkError
from ltengine.network import DenseLayer

Array = NDArray[np.float64]


@dataclass
class AffineMap:
    """x -> weight (scale x + shift) + bias, where scale and shift stand before the weights.

    Elementwise steps that come before the weights wait in ``scale`` and ``shift`` (a normalisation
    of the inputs); those that come after them change weights and bias at once.
    """

    weight: Array | None = None
    bias: Array | None = None
    name: str = ""
    before: list[tuple[str, Array]] = field(default_factory=list)
    steps: int = 0

    def elementwise(self, kind: str, constant: Array) -> None:
        """Append x + c, x - c, c - x ("rsub"), x c or x / c.

        Args:
            kind: Add, Sub, rsub, Mul or Div.
            constant: one number, or one for each element of a sample (`fit_sample`).

        Raises:
            NetworkError: c does not fit the layer's outputs, or there are too many steps.
        """
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise NetworkError("too many steps around a layer", code="ONNX_UNSUPPORTED")
        if self.weight is None:
            self.before.append((kind, constant))
            return
        outputs = self.weight.shape[0]
        row = _row(constant, outputs)
        bias = np.zeros(outputs) if self.bias is None else self.bias
        if kind in ("Mul", "Div"):
            with np.errstate(all="ignore"):
                factor = row if kind == "Mul" else 1.0 / row
                self.weight = self.weight * factor[:, None]
                self.bias = None if self.bias is None else bias * factor
        elif kind == "rsub":
            self.weight, self.bias = -self.weight, row - bias
        else:
            self.bias = bias + row if kind == "Add" else bias - row

    def apply(self, weight: Array, bias: Array | None, name: str) -> None:
        """Append a dense layer: the weights of this map.

        Raises:
            NetworkError: it has weights already.
        """
        if self.weight is not None:
            raise NetworkError(
                f"layers {shown(self.name)} and {shown(name)} have no activation between them; "
                "multiply their weights into one layer before exporting",
                code="NO_ACTIVATION_BETWEEN",
            )
        self.weight, self.bias, self.name = weight, bias, name
        scale, shift = np.ones(weight.shape[1]), np.zeros(weight.shape[1])
        for kind, constant in self.before:
            row = _row(constant, weight.shape[1])
            with np.errstate(all="ignore"):
                if kind in ("Mul", "Div"):
                    factor = row if kind == "Mul" else 1.0 / row
                    scale, shift = scale * factor, shift * factor
                elif kind == "rsub":
                    scale, shift = -scale, row - shift
                else:
                    shift = shift + row if kind == "Add" else shift - row
        if self.before:
            with np.errstate(all="ignore"):
                folded = weight @ shift
                self.bias = folded if bias is None else bias + folded
                self.weight = weight * scale

    def layer(self) -> DenseLayer:
        """The finished layer."""
        assert self.weight is not None
        return DenseLayer(self.name, np.ascontiguousarray(self.weight), self.bias)


_MOST_STEPS = 100


def fit_sample(constant: Array, shape: Sequence[int] | None) -> Array:
    """A constant as it meets a sample's elements: one number, or one for each.

    Only broadcast (which takes no memory) here: the sample's sizes are what the file claims, and
    `AffineMap` compares them with the layer's before it makes anything of that size.

    Args:
        constant: with a batch axis of 1, or without one.
        shape: the sample's sizes, if known.

    Raises:
        NetworkError: it would make the sample larger, or differ from sample to sample.
    """
    if constant.size == 1 or shape is None:
        return constant
    with_batch = constant.ndim == len(shape) + 1 and constant.shape[0] == 1
    sizes = constant.shape[1:] if with_batch else constant.shape
    try:
        if len(sizes) <= len(shape):
            return np.broadcast_to(constant.reshape(sizes), tuple(shape))
    except ValueError:
        pass  # no broadcast gives that shape
    raise NetworkError(
        f"a constant of shape {constant.shape} does not fit samples of shape {tuple(shape)}",
        code="ONNX_SHAPES",
    )


def _row(constant: Array, size: int) -> Array:
    """One number for each of ``size`` elements."""
    if constant.size not in (1, size) or math.prod(constant.shape) != constant.size:
        raise NetworkError(
            f"a constant of shape {constant.shape} does not fit {size} elements",
            code="ONNX_SHAPES",
        )
    return np.full(size, constant.reshape(-1)[0]) if constant.size == 1 else constant.reshape(size)
