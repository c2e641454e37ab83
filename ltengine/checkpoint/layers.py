"""From named tensors to a network: masks applied, layers grouped and put in order."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ltengine.errors import NetworkError
from ltengine.network import DenseLayer, Network, build_network

MASK_SUFFIX = "_mask"
Tensors = Mapping[str, NDArray[np.float64]]


def apply_masks(tensors: Tensors) -> dict[str, NDArray[np.float64]]:
    """Multiply each ``<name>`` by its ``<name>_mask`` buffer, as Synaptic-Flow's layers do.

    Raises:
        NetworkError: a mask has no tensor, another shape, or values besides 0 and 1.
    """
    masked = {name: t for name, t in tensors.items() if not name.endswith(MASK_SUFFIX)}
    for mask_name, mask in tensors.items():
        if not mask_name.endswith(MASK_SUFFIX):
            continue
        name = mask_name.removesuffix(MASK_SUFFIX)
        if name not in masked or masked[name].shape != mask.shape:
            raise NetworkError(
                f"mask {mask_name!r} of shape {mask.shape} has no tensor {name!r} of that shape",
                code="STRAY_MASK",
            )
        if not np.isin(mask, (0.0, 1.0)).all():
            raise NetworkError(f"mask {mask_name!r} has values besides 0 and 1", code="BAD_MASK")
        masked[name] = np.where(mask == 0.0, 0.0, masked[name])
    return masked


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
