"""Means over seeds with their 95 % confidence interval, by Student's t distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

_LEVEL = 0.95
_HALVINGS = 100


def summarise(values: Sequence[float]) -> dict[str, Any]:
    """Mean, and 95 % confidence interval of the mean; no interval from a single value."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return {"mean": mean, "interval": None}
    freedom = len(values) - 1
    variance = math.fsum((value - mean) ** 2 for value in values) / freedom
    half = student_quantile(freedom) * math.sqrt(variance / len(values))
    return {"mean": mean, "interval": [mean - half, mean + half]}


def student_quantile(freedom: int) -> float:
    """The t that a Student variable of so many degrees of freedom exceeds in size in 5 % of cases.

    The distribution function has a finite sum for whole degrees of freedom (Abramowitz and Stegun
    26.7.3 and 26.7.4); it rises, so halving finds t.
    """
    low, high = 0.0, 1000.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _within(middle, freedom) < _LEVEL:
            low = middle
        else:
            high = middle
    return high


def _within(t: float, freedom: int) -> float:
    """The probability that a Student variable lies between -t and t."""
    angle = math.atan(t / math.sqrt(freedom))
    cosine, odd = math.cos(angle), freedom % 2
    term = cosine if odd else 1.0
    total = 0.0
    for step in range(2 if odd else 1, freedom, 2):
        total += term
        term *= cosine**2 * step / (step + 1)
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total
