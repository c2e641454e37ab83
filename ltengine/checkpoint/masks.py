"""Masks beside tensors, as pruning libraries store them, applied.

- Synaptic-Flow: `<name>` and `<name>_mask`; the stored weight is unmasked.
- torch.nn.utils.prune: `<name>_orig` and `<name>_mask`.
- torch.nn.utils.parametrizations: `<layer>.parametrizations.<kind>.original` (and `.0.mask`).
- open_lth: `mask_fc_layers___0___weight` for `model.fc_layers.0.weight`, dots as three underscores.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.numbers import Tensors
from ltengine.errors import NetworkError

MASK_SUFFIX = "_mask"
_PARAMETRIZED = re.compile(r"(.*)parametrizations\.(weight|bias)\.(original|0\.mask)")
_OPEN_LTH = re.compile(r"(|module\.)mask_(.+___.+)")


def apply_masks(tensors: Tensors) -> dict[str, NDArray[np.float64]]:
    """Each tensor under its plain name, multiplied by its mask; in the order of the tensors.

    Raises:
        NetworkError: a mask has no tensor, another shape, or values besides 0 and 1; or two
            tensors have one name.
    """
    plain: dict[str, NDArray[np.float64]] = {}
    masks: dict[str, str] = {}
    for name, tensor in tensors.items():
        owner = _masked_by(name, tensors)
        if owner is not None:
            masks[name] = owner
            continue
        target = _plain_name(name)
        if target in plain or (target != name and target in tensors):
            raise NetworkError(f"there are two tensors {target!r}", code="DUPLICATE_TENSOR")
        plain[target] = tensor
    for mask_name, owner in masks.items():
        plain[owner] = _masked(plain.get(owner), tensors[mask_name], mask_name, owner)
    return plain


def _plain_name(name: str) -> str:
    """weight_orig and parametrizations.weight.original are weights."""
    if found := _PARAMETRIZED.fullmatch(name):
        return f"{found[1]}{found[2]}"
    return name.removesuffix("_orig") if name.endswith(("weight_orig", "bias_orig")) else name


def _masked_by(name: str, tensors: Tensors) -> str | None:
    """The plain name of the tensor that this one masks, if it is a mask."""
    if name.endswith(MASK_SUFFIX):
        return name.removesuffix(MASK_SUFFIX)
    if (found := _PARAMETRIZED.fullmatch(name)) and found[3] != "original":
        return f"{found[1]}{found[2]}"
    if found := _OPEN_LTH.fullmatch(name):
        inner = found[2].replace("___", ".")
        within = f"{found[1]}model.{inner}"
        return within if within in tensors else f"{found[1]}{inner}"
    return None


def _masked(
    tensor: NDArray[np.float64] | None, mask: NDArray[np.float64], mask_name: str, name: str
) -> NDArray[np.float64]:
    if tensor is None or tensor.shape != mask.shape:
        raise NetworkError(
            f"mask {mask_name!r} of shape {mask.shape} has no tensor {name!r} of that shape",
            code="STRAY_MASK",
        )
    if not np.isin(mask, (0.0, 1.0)).all():
        raise NetworkError(f"mask {mask_name!r} has values besides 0 and 1", code="BAD_MASK")
    return np.where(mask == 0.0, 0.0, tensor)
