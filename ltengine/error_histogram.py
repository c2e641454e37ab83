"""How errors are distributed: counts on a logarithmic scale, whatever the tolerance was."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS_PER_OCTAVE = 4
SMALLEST = 2.0**-48
"""Smaller errors fall into the first bin."""
_OCTAVES = 64
# A float64 shifted so far right is its exponent followed by two bits of its fraction.
_SHIFT = 52 - 2
_FIRST = int(np.float64(SMALLEST).view(np.int64)) >> _SHIFT


class ErrorHistogram:
    """Counts of errors other than 0, in bins [2^k (1 + j / 4), 2^k (1 + (j + 1) / 4))."""

    def __init__(self, counts: NDArray[np.int64] | None = None) -> None:
        """Of what was counted before: the ``counts`` of others, added up, or nothing."""
        nothing = np.zeros(_OCTAVES * BINS_PER_OCTAVE, np.int64)
        self._counts = nothing if counts is None else counts.copy()

    @property
    def counts(self) -> NDArray[np.int64]:
        """(bin,) of all bins."""
        return self._counts.copy()

    def add(self, errors: NDArray[np.float64]) -> None:
        """Count errors, all finite and none negative."""
        bits = np.ascontiguousarray(errors[errors > 0.0]).view(np.int64)
        bins = np.clip((bits >> _SHIFT) - _FIRST, 0, self._counts.size - 1)
        self._counts += np.bincount(bins, minlength=self._counts.size)

    def to_document(self) -> dict[str, Any]:
        """``counts[i]`` errors lie from ``edges[i]`` to below ``edges[i + 1]``; JSON data."""
        met = np.flatnonzero(self._counts)
        if not met.size:
            return {"edges": [], "counts": []}
        kept = slice(met[0], met[-1] + 1)
        edges = [_edge(number) for number in range(kept.start, kept.stop + 1)]
        return {"edges": edges, "counts": self._counts[kept].tolist()}


def _edge(number: int) -> float:
    octave, part = divmod(int(number), BINS_PER_OCTAVE)
    return SMALLEST * 2.0**octave * (1 + part / BINS_PER_OCTAVE)
