"""Activation functions and the slopes that Assumption 2.3 of the paper asks for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.errors import SpecificationError
from ltengine.specification import Specification, resolve_activation

Array = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Activation:
    """phi with phi(x) ~ m_plus x + d for x >= 0 and m_minus x + d for x < 0 near 0 (Ass. 2.3).

    Attributes:
        name: as torch.nn.functional spells it; "identity" for the linear one.
        slope: leaky_relu's negative slope, else 0.
        value: phi, elementwise, keeps dtype and shape.
        lipschitz: sup |phi'|.
        m_plus: slope at 0 from the right.
        m_minus: slope at 0 from the left.
        intercept: d = phi(0).
        piecewise_linear: the approximation is exact on all of R (a = infinity, error 0).
        nonnegative: phi never falls below 0.
    """

    name: str
    slope: float
    value: Callable[[Array], Array]
    lipschitz: float
    m_plus: float
    m_minus: float
    intercept: float
    piecewise_linear: bool
    nonnegative: bool

    @property
    def two_sided(self) -> bool:
        """Whether the identity needs both w > 0 and w < 0 neurons (Lemma 2.4, m+ != m-)."""
        return self.m_plus != self.m_minus


def _identity(x: Array) -> Array:
    return x


def _relu(x: Array) -> Array:
    return np.maximum(x, x.dtype.type(0))


def _sigmoid(x: Array) -> Array:
    # the two branches keep exp from overflowing
    decay = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + decay), decay / (1 + decay)).astype(x.dtype, copy=False)


def _leaky(slope: float) -> Callable[[Array], Array]:
    return lambda x: np.where(x >= 0, x, x * x.dtype.type(slope)).astype(x.dtype, copy=False)


IDENTITY = Activation("identity", 0.0, _identity, 1.0, 1.0, 1.0, 0.0, True, False)
RELU = Activation("relu", 0.0, _relu, 1.0, 1.0, 0.0, 0.0, True, True)
TANH = Activation("tanh", 0.0, np.tanh, 1.0, 1.0, 1.0, 0.0, False, False)
SIGMOID = Activation("sigmoid", 0.0, _sigmoid, 0.25, 0.25, 0.25, 0.5, False, True)


def leaky_relu(slope: float = 0.01) -> Activation:
    """max(x, 0) + slope min(x, 0), with 0 <= slope < 1."""
    return Activation("leaky_relu", slope, _leaky(slope), 1.0, 1.0, slope, 0.0, True, slope == 0.0)


def named_activation(name: str, slope: float | None = None) -> Activation:
    """The activation of that name.

    Raises:
        SpecificationError: for a name the engine does not know.
    """
    if name == "leaky_relu":
        return leaky_relu(0.01 if slope is None else slope)
    for activation in (IDENTITY, RELU, TANH, SIGMOID):
        if activation.name == name:
            return activation
    raise SpecificationError(
        [
            {
                "pointer": "/activation/name",
                "code": "UNKNOWN_ACTIVATION",
                "detail": f"unknown activation {name!r}; use relu, leaky_relu, tanh or sigmoid",
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
