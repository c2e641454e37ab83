"""Activation functions, and how far each is from the piecewise linear one of Assumption 2.3.

Near 0 an activation phi is compared with phihat(x) = m+ x + d for x >= 0 and m- x + d for x < 0.
The distance is bounded by a power law |phi(x) - phihat(x)| <= c |x|^p on |x| <= r. For looks-linear
pairs the even part of phi cancels, so phi(x) - phi(-x) - (m+ + m-) x has a law of its own, often 0.
docs/theory.md derives every constant; a property test checks each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.errors import SpecificationError
from ltengine.specification import Specification, resolve_activation

Array = NDArray[np.floating]
STEP = 1e-6


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """An error of at most coefficient |x|^power on |x| <= radius."""

    coefficient: float
    power: float
    radius: float = math.inf

    def reach(self, error: float) -> float:
        """The largest a <= radius with an error of at most ``error`` on [-a, a]."""
        if self.coefficient == 0.0:
            return self.radius
        return float(min(self.radius, (error / self.coefficient) ** (1 / self.power)))


EXACT = PowerLaw(0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Activation:
    """A continuous activation function.

    Attributes:
        name: as torch spells it; "identity" for the linear one.
        value: phi, elementwise, keeps dtype and shape.
        lipschitz: T >= sup |phi'|.
        m_plus: slope at 0 from the right.
        m_minus: slope at 0 from the left.
        intercept: d = phi(0).
        law: distance from phihat.
        pair_law: distance of phi(x) - phi(-x) from (m+ + m-) x.
        slope: leaky_relu's negative slope, else 0.
        valley: (place, value) of the minimum of a function that falls before it and rises after
            it; None for a monotone (never falling) one.
        nonnegative: phi never falls below 0.
        constant_drive: a pre-activation at which phi is well away from 0.
    """

    name: str
    value: Callable[[Array], Array]
    lipschitz: float
    m_plus: float
    m_minus: float
    intercept: float = 0.0
    law: PowerLaw = EXACT
    pair_law: PowerLaw = EXACT
    slope: float = 0.0
    valley: tuple[float, float] | None = None
    nonnegative: bool = False
    constant_drive: float = 0.75

    @property
    def two_sided(self) -> bool:
        """Whether the identity needs both w > 0 and w < 0 neurons (Lemma 2.4, m+ != m-)."""
        return self.m_plus != self.m_minus

    @property
    def piecewise_linear(self) -> bool:
        """Whether phihat is exact on all of R."""
        return self.law.coefficient == 0.0 and self.law.radius == math.inf

    @property
    def represents_identity(self) -> bool:
        """Assumption 2.3: m+ + m- is not 0."""
        return self.m_plus + self.m_minus != 0.0

    def neighbourhood(self, error: float) -> float:
        """a(error) of Assumption 2.3: |phi - phihat| <= error on [-a, a]."""
        return self.law.reach(error)

    def _bounded(self, law: PowerLaw, radius: Array, steepest: float) -> Array:
        inside = law.coefficient * radius**law.power
        # past the law's radius |phi(x) - d| <= T |x| and |phihat(x) - d| <= max |m| |x|
        return np.where(radius <= law.radius, inside, np.maximum(inside, steepest * radius))

    def deviation(self, radius: Array) -> Array:
        """At least sup |phi(x) - phihat(x)| over |x| <= radius, for each radius."""
        steepest = self.lipschitz + max(abs(self.m_plus), abs(self.m_minus))
        return self._bounded(self.law, np.asarray(radius, np.float64), steepest)

    def paired_deviation(self, radius: Array) -> Array:
        """At least sup |phi(x) - phi(-x) - (m+ + m-) x| over |x| <= radius, for each radius."""
        steepest = 2 * self.lipschitz + abs(self.m_plus + self.m_minus)
        return self._bounded(self.pair_law, np.asarray(radius, np.float64), steepest)

    def image(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Bounds of phi on each interval [low, high]."""
        if self.name == "sin":
            return _sine_image(low, high)
        at_low, at_high = self.value(low), self.value(high)
        if self.valley is None:
            return at_low, at_high
        place, least = self.valley
        inside = (low < place) & (place < high)
        ends = np.minimum(at_low, at_high)
        return np.where(inside, least, ends), np.maximum(at_low, at_high)

    def derivative(self, x: Array) -> Array:
        """Phi' by central difference, float64; for searches, not for bounds."""
        x = np.asarray(x, np.float64)
        return np.asarray((self.value(x + STEP) - self.value(x - STEP)) / (2 * STEP))


def _sine_image(low: Array, high: Array) -> tuple[Array, Array]:
    def holds(peak: float) -> NDArray[np.bool_]:
        # some peak + 2 pi k lies in [low, high], with room for rounding
        last = np.floor((high - peak) / math.tau + 1e-9)
        first = np.ceil((low - peak) / math.tau - 1e-9)
        return np.asarray(last >= first)

    at_low, at_high = np.sin(low), np.sin(high)
    least = np.where(holds(-math.pi / 2), -1.0, np.minimum(at_low, at_high))
    return least, np.where(holds(math.pi / 2), 1.0, np.maximum(at_low, at_high))


def _cast(x: Array, y: Array) -> Array:
    return y.astype(x.dtype, copy=False)


def _relu(x: Array) -> Array:
    return np.maximum(x, x.dtype.type(0))


def _sigmoid(x: Array) -> Array:
    decay = np.exp(-np.abs(x))  # never overflows
    return _cast(x, np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay)))


def _softplus(x: Array) -> Array:
    return _cast(x, np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def _mish(x: Array) -> Array:
    return _cast(x, x * np.tanh(_softplus(x)))


_ERF = np.frompyfunc(math.erf, 1, 1)


def _gelu(x: Array) -> Array:
    return _cast(x, 0.5 * x * (1 + _ERF(x / math.sqrt(2)).astype(np.float64)))


def _linear_unit(alpha: float, scale: float) -> Callable[[Array], Array]:
    return lambda x: _cast(x, scale * np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0))))


def _leaky(slope: float) -> Callable[[Array], Array]:
    return lambda x: np.where(x >= 0, x, x * x.dtype.type(slope)).astype(x.dtype, copy=False)


def _clip(low: float, high: float, slope: float = 1.0, shift: float = 0.0) -> Callable[..., Array]:
    return lambda x: _cast(x, np.clip(slope * x + shift, low, high))


SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717

IDENTITY = Activation("identity", lambda x: x, 1.0, 1.0, 1.0)
RELU = Activation("relu", _relu, 1.0, 1.0, 0.0, nonnegative=True)
TANH = Activation(
    "tanh", np.tanh, 1.0, 1.0, 1.0, law=PowerLaw(1 / 3, 3), pair_law=PowerLaw(2 / 3, 3)
)
SIGMOID = Activation(
    "sigmoid",
    _sigmoid,
    0.25,
    0.25,
    0.25,
    0.5,
    PowerLaw(1 / 48, 3),
    PowerLaw(1 / 24, 3),
    nonnegative=True,
)
_OTHERS = (
    Activation(
        "elu", _linear_unit(1.0, 1.0), 1.0, 1.0, 1.0, 0.0, PowerLaw(0.5, 2), PowerLaw(0.5, 2)
    ),
    Activation(
        "selu",
        _linear_unit(SELU_ALPHA, SELU_SCALE),
        SELU_SCALE * SELU_ALPHA,
        SELU_SCALE,
        SELU_SCALE * SELU_ALPHA,
        0.0,
        PowerLaw(SELU_SCALE * SELU_ALPHA / 2, 2),
        PowerLaw(SELU_SCALE * SELU_ALPHA / 2, 2),
    ),
    Activation(
        "gelu", _gelu, 1.13, 0.5, 0.5, law=PowerLaw(0.39895, 2), valley=(-0.7517915, -0.1699713)
    ),
    Activation(
        "silu",
        lambda x: _cast(x, x * _sigmoid(x)),
        1.1,
        0.5,
        0.5,
        law=PowerLaw(0.25, 2),
        valley=(-1.2784645, -0.2784646),
    ),
    Activation(
        "mish",
        _mish,
        1.0886,
        0.6,
        0.6,
        law=PowerLaw(0.3215, 2),
        pair_law=PowerLaw(0.0321, 3),
        valley=(-1.1924312, -0.3088435),
    ),
    Activation(
        "softplus", _softplus, 1.0, 0.5, 0.5, math.log(2), PowerLaw(0.125, 2), nonnegative=True
    ),
    Activation(
        "softsign",
        lambda x: _cast(x, x / (1 + np.abs(x))),
        1.0,
        1.0,
        1.0,
        law=PowerLaw(1.0, 2),
        pair_law=PowerLaw(2.0, 2),
    ),
    Activation(
        "hardtanh",
        _clip(-1.0, 1.0),
        1.0,
        1.0,
        1.0,
        law=PowerLaw(0.0, 1, 1.0),
        pair_law=PowerLaw(0.0, 1, 1.0),
    ),
    Activation(
        "hardsigmoid",
        _clip(0.0, 1.0, 1 / 6, 0.5),
        1 / 6,
        1 / 6,
        1 / 6,
        0.5,
        PowerLaw(0.0, 1, 3.0),
        PowerLaw(0.0, 1, 3.0),
        nonnegative=True,
    ),
    Activation(
        "hardswish",
        lambda x: _cast(x, x * np.clip(x + 3, 0, 6) / 6),
        1.5,
        0.5,
        0.5,
        law=PowerLaw(1 / 6, 2),
        valley=(-1.5, -0.375),
    ),
    Activation(
        "arctan", np.arctan, 1.0, 1.0, 1.0, law=PowerLaw(1 / 3, 3), pair_law=PowerLaw(2 / 3, 3)
    ),
    Activation("sin", np.sin, 1.0, 1.0, 1.0, law=PowerLaw(1 / 6, 3), pair_law=PowerLaw(1 / 3, 3)),
    Activation(
        "relu6",
        _clip(0.0, 6.0),
        1.0,
        1.0,
        0.0,
        law=PowerLaw(0.0, 1, 6.0),
        pair_law=PowerLaw(0.0, 1, 6.0),
        nonnegative=True,
    ),
    Activation("abs", np.abs, 1.0, 1.0, -1.0, valley=(0.0, 0.0), nonnegative=True),
    Activation(
        "shifted_relu",
        lambda x: np.maximum(x - x.dtype.type(1), x.dtype.type(0)),
        1.0,
        0.0,
        0.0,
        law=PowerLaw(0.0, 1, 1.0),
        pair_law=PowerLaw(0.0, 1, 1.0),
        nonnegative=True,
        constant_drive=1.75,
    ),
)


def leaky_relu(slope: float = 0.01, name: str = "leaky_relu") -> Activation:
    """max(x, 0) + slope min(x, 0), with 0 <= slope < 1."""
    nonnegative = slope == 0.0
    return Activation(name, _leaky(slope), 1.0, 1.0, slope, slope=slope, nonnegative=nonnegative)


ACTIVATIONS = {a.name: a for a in (IDENTITY, RELU, TANH, SIGMOID, *_OTHERS)}
"""Every activation without a parameter of its own, by name."""


def named_activation(name: str, slope: float | None = None) -> Activation:
    """The activation of that name; prelu is a leaky_relu whose one slope was learned.

    Raises:
        SpecificationError: for a name the engine does not know.
    """
    if name in ("leaky_relu", "prelu"):
        return leaky_relu(
            {"leaky_relu": 0.01, "prelu": 0.25}[name] if slope is None else slope, name
        )
    if name in ACTIVATIONS:
        return ACTIVATIONS[name]
    known = ", ".join(sorted([*ACTIVATIONS, "leaky_relu", "prelu"]))
    raise SpecificationError(
        [
            {
                "pointer": "/activation/name",
                "code": "UNKNOWN_ACTIVATION",
                "detail": f"unknown activation {name!r}; use one of {known}",
            }
        ]
    )


def specified_activation(specification: Specification) -> Activation:
    """The activation between the target's layers.

    Raises:
        SpecificationError: the spec's activation is not resolved.
    """
    resolved = resolve_activation(specification, None).activation
    assert resolved is not None  # resolve_activation raises otherwise
    return named_activation(resolved.name, resolved.slope)
