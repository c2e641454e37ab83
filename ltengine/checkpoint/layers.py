"""From named tensors to a network: masks applied, layers grouped and put in order."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.masks import apply_masks
from ltengine.checkpoint.numbers import Tensors
from ltengine.errors import NetworkError
from ltengine.network import DenseLayer, Network, build_network


def _natural(name: str) -> list[tuple[int, int, str]]:
    """fc2 before fc10: digits compare as numbers."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]


def _prefix_and_kind(name: str) -> tuple[str, str]:
    prefix, _, kind = name.rpartition(".")
    return prefix, kind


def _check_supported(name: str, tensor: NDArray[np.float64]) -> None:
    _, kind = _prefix_and_kind(name)
    if kind == "weight" and tensor.ndim == 4:
        raise NetworkError(
            f"tensor {name!r} of shape {tensor.shape} belongs to a convolution; targets must be "
            "fully connected",
            code="CONVOLUTION",
        )
    dimensions = {"weight": 2, "bias": 1}.get(kind)
    if tensor.ndim != dimensions:
        raise NetworkError(
            f"tensor {name!r} of shape {tensor.shape} is no part of a fully-connected layer; "
            "expected <layer>.weight (output, input) and <layer>.bias (output,) alone",
            code="UNSUPPORTED_TENSOR",
        )


def assemble_network(tensors: Tensors, *, file_order: bool) -> Network:
    """The network that the tensors describe.

    Args:
        tensors: by name.
        file_order: layers come in the order of the tensors (a state_dict keeps the order of
            definition); else in the natural order of their names.

    Raises:
        NetworkError: a tensor is unsupported, a bias lacks its weight, or shapes do not chain.
    """
    masked = apply_masks(tensors)
    for name, tensor in masked.items():
        _check_supported(name, tensor)
    weights = {_prefix_and_kind(n)[0]: t for n, t in masked.items() if n.endswith("weight")}
    biases = {_prefix_and_kind(n)[0]: t for n, t in masked.items() if n.endswith("bias")}
    for prefix in biases.keys() - weights.keys():
        raise NetworkError(f"{prefix}.bias has no {prefix}.weight", code="BIAS_ALONE")
    prefixes = list(weights) if file_order else sorted(weights, key=_natural)
    return build_network([DenseLayer(p, weights[p], biases.get(p)) for p in prefixes])
