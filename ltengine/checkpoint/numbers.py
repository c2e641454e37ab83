"""Numbers as files store them, as float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Tensors: TypeAlias = Mapping[str, NDArray[np.float64]]
"""Tensors by name."""


def widen(stored: NDArray[Any], kind: str) -> NDArray[np.float64]:
    """The stored numbers as contiguous float64, exactly.

    Args:
        stored: of any shape; for bfloat16 the 16-bit words.
        kind: "bf16" for bfloat16, else anything.
    """
    # A signalling NaN would warn on its way; what is not finite is refused by name later.
    with np.errstate(invalid="ignore"):
        if kind == "bf16":
            # A bfloat16 is the upper half of a float32.
            words = stored.astype(np.uint32) << np.uint32(16)
            return np.ascontiguousarray(words.view(np.float32), np.float64)
        return np.ascontiguousarray(stored, np.float64)
