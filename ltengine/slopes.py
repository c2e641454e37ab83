"""How steep an activation can be on an interval, and the line that stays closest to it there.

An activation's slope is monotone between the few places where it turns or jumps, so its range on an
interval is that of the ends and of the turning points inside. From it follow both relaxations that
a certificate needs:

* phi(z + e) - phi(z) = a e up to half the slope's range times |e| (mean value theorem), and
* phi(z) = a z + b up to what phi - a z varies on a grid, and half a step times its slope between.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation

Array = NDArray[np.float64]
Slope = Callable[[Array], Array]

SLACK = 1e-9
"""More than the rounding of any slope below, and of the turning points' places."""
GRID = 64
"""Steps on which a line is compared with the activation."""


@dataclass(frozen=True, slots=True)
class _SlopeLaw:
    """phi', and (place, value) of its turning points; a jump is two entries at one place.

    Values are rounded outwards. A place may be off by 1e-5, as a smooth slope is flat there.
    """

    slope: Slope
    turns: tuple[tuple[float, float], ...]


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(x / 2))


def _softplus(x: Array) -> Array:
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _silu_slope(x: Array) -> Array:
    y = _sigmoid(x)
    return np.asarray(y * (1 + x * (1 - y)))


def _mish_slope(x: Array) -> Array:
    y = np.tanh(_softplus(x))
    return np.asarray(y + x * (1 - y * y) * _sigmoid(x))


_ERF = np.frompyfunc(math.erf, 1, 1)


def _gelu_slope(x: Array) -> Array:
    cumulative = 0.5 * (1 + np.asarray(_ERF(x / math.sqrt(2)), np.float64))
    return np.asarray(cumulative + x * np.exp(-x * x / 2) / math.sqrt(math.tau))


def _steps(*pieces: tuple[float, float]) -> _SlopeLaw:
    """A piecewise linear function: (where each piece begins, its slope)."""
    begins, slopes = np.array([p[0] for p in pieces]), np.array([p[1] for p in pieces])
    turns = [(begins[i], slopes[k]) for i in range(1, len(pieces)) for k in (i - 1, i)]
    return _SlopeLaw(
        lambda x: np.asarray(slopes[np.searchsorted(begins, x, side="right") - 1]),
        tuple((float(place), float(value)) for place, value in turns),
    )


_INFINITY = math.inf
_LAWS = {
    "identity": _steps((-_INFINITY, 1.0)),
    "relu": _steps((-_INFINITY, 0.0), (0.0, 1.0)),
    "relu6": _steps((-_INFINITY, 0.0), (0.0, 1.0), (6.0, 0.0)),
    "shifted_relu": _steps((-_INFINITY, 0.0), (1.0, 1.0)),
    "abs": _steps((-_INFINITY, -1.0), (0.0, 1.0)),
    "hardtanh": _steps((-_INFINITY, 0.0), (-1.0, 1.0), (1.0, 0.0)),
    "hardsigmoid": _steps((-_INFINITY, 0.0), (-3.0, 1 / 6), (3.0, 0.0)),
    "tanh": _SlopeLaw(lambda x: 1 - np.tanh(x) ** 2, ((0.0, 1.0),)),
    "sigmoid": _SlopeLaw(lambda x: (1 - np.tanh(x / 2) ** 2) / 4, ((0.0, 0.25),)),
    "arctan": _SlopeLaw(lambda x: 1 / (1 + x * x), ((0.0, 1.0),)),
    "softsign": _SlopeLaw(lambda x: 1 / (1 + np.abs(x)) ** 2, ((0.0, 1.0),)),
    "softplus": _SlopeLaw(_sigmoid, ()),
    "elu": _SlopeLaw(lambda x: np.exp(np.minimum(x, 0)), ()),
    "silu": _SlopeLaw(_silu_slope, ((-2.3993573, -0.0998394), (2.3993573, 1.0998394))),
    "gelu": _SlopeLaw(_gelu_slope, ((-math.sqrt(2), -0.1289042), (math.sqrt(2), 1.1289042))),
    "mish": _SlopeLaw(_mish_slope, ((-2.25638, -0.1125262), (1.49057, 1.0884982))),
    "hardswish": _SlopeLaw(
        lambda x: np.where(np.abs(x) < 3, (2 * x + 3) / 6, x > 0),
        ((-3.0, 0.0), (-3.0, -0.5), (3.0, 1.5), (3.0, 1.0)),
    ),
}


def _law(activation: Activation) -> _SlopeLaw | None:
    left, right = activation.m_minus, activation.m_plus
    if activation.name in ("leaky_relu", "prelu"):
        return _steps((-_INFINITY, left), (0.0, right))
    if activation.name == "selu":
        return _SlopeLaw(
            lambda x: np.where(x < 0, left * np.exp(np.minimum(x, 0)), right),
            ((0.0, left), (0.0, right)),
        )
    return _LAWS.get(activation.name)


def slope_range(activation: Activation, low: Array, high: Array) -> tuple[Array, Array]:
    """The least and largest slope of phi on each interval [low, high], or a little beyond."""
    law = _law(activation)
    if law is None:
        steepest = np.full(low.shape, activation.lipschitz)
        return -steepest, steepest
    at_low, at_high = law.slope(low), law.slope(high)
    least, most = np.minimum(at_low, at_high), np.maximum(at_low, at_high)
    for place, value in law.turns:
        # a slope that jumps here may jump back within rounding, so the ends count as inside
        inside = (low <= place + SLACK) & (place - SLACK <= high)
        least = np.where(inside, np.minimum(least, value), least)
        most = np.where(inside, np.maximum(most, value), most)
    if activation.piecewise_linear:
        return least, most
    return least - SLACK, most + SLACK


@dataclass(frozen=True, slots=True)
class Line:
    """|phi(z) - (slope z + intercept)| <= radius on an interval, for each unit."""

    slope: Array
    intercept: Array
    radius: Array


def enclosing_line(activation: Activation, low: Array, high: Array) -> Line:
    """A line through each interval's chord direction, and how far phi strays from it."""
    least, most = slope_range(activation, low, high)
    length = high - low
    rise = np.asarray(activation.value(high)) - np.asarray(activation.value(low))
    slope = np.where(length > SLACK, rise / np.maximum(length, SLACK), (least + most) / 2)
    slope = np.clip(slope, least, most)
    places = low + length * np.linspace(0, 1, GRID + 1)[:, None]
    gaps = np.asarray(activation.value(places)) - slope * places
    middle = (gaps.max(0) + gaps.min(0)) / 2
    between = length / (2 * GRID) * np.maximum(most - slope, slope - least)
    rounding = SLACK * 1e-3 * (np.abs(low) + np.abs(high) + np.abs(middle))
    return Line(slope, middle, (gaps.max(0) - gaps.min(0)) / 2 + between + rounding)
