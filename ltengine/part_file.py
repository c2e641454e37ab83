"""Results of parts of a check as files: arrays and figures, on their way to who puts them together.

A safetensors file; its metadata entry holds the figures as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ltengine.errors import EngineError

_FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Part:
    """Arrays by name, and figures as JSON data."""

    arrays: Mapping[str, NDArray[Any]]
    figures: Mapping[str, Any]

    def named(self, prefix: str) -> Part:
        """The arrays whose names begin so, without that beginning; the figures of that name."""
        own = {
            name.removeprefix(prefix): array
            for name, array in self.arrays.items()
            if name.startswith(prefix)
        }
        return Part(own, self.figures.get(prefix, {}))


def combine(parts: Mapping[str, Part]) -> Part:
    """One part of several, each to be had again as ``named`` by its prefix."""
    arrays = {
        prefix + name: array
        for prefix, part in parts.items()
        for name, array in part.arrays.items()
    }
    return Part(arrays, {prefix: part.figures for prefix, part in parts.items()})


def save_part(part: Part, path: Path) -> None:
    """Write a part."""
    arrays = {name: np.ascontiguousarray(array) for name, array in part.arrays.items()}
    save_file(arrays, path, metadata={_FIGURES: json.dumps(dict(part.figures))})


def load_part(path: Path) -> Part:
    """The part in a file.

    Raises:
        EngineError: code INVALID_PIECE, the file is none.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            figures = json.loads((file.metadata() or {})[_FIGURES])
            return Part({name: file.get_tensor(name) for name in file.keys()}, figures)  # noqa: SIM118 - no mapping
    except (SafetensorError, KeyError, ValueError) as failure:
        raise EngineError(f"not a part of a check: {failure}", code="INVALID_PIECE") from failure
