"""What is known of target units and of their copies on the input domain, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.difference import Difference, Links, ParameterErrors, join_errors, join_links
from ltengine.joint_bound import Remainder, stack_remainders
from ltengine.network import DenseLayer
from ltengine.slopes import Line

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """[low, high] for each of some numbers."""

    low: Array
    high: Array

    @property
    def supremum(self) -> Array:
        """Bounds of the absolute values."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def widened(self, by: Array) -> Interval:
        """Both ends moved outwards."""
        return Interval(self.low - by, self.high + by)

    def cut(self, other: Interval) -> Interval:
        """What both allow."""
        return Interval(np.maximum(self.low, other.low), np.minimum(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Unit:
    """A hidden target layer on the domain.

    Attributes:
        target: its weights.
        output: what its units emit.
        line: each unit as a line in its pre-activation.
        magnitude: (unit,) sum of absolute values behind a unit, for rounding.
    """

    target: DenseLayer
    output: Interval
    line: Line
    magnitude: Array


@dataclass(frozen=True, slots=True)
class CopyBounds:
    """What is known of some live copies of a layer, given everything below it.

    Attributes:
        bias: (copy,) of their difference to the target, with terms in min(x, 0) settled.
        radius: (copy,) likewise.
        low: (copy,) least zhat - z on the domain.
        high: (copy,) largest.
        magnitude: (copy,) sum of absolute values behind it, for rounding.
        entries: terms of their differences.
        errors: of their parameters.
        links: how much of the errors below they pass on.
        remainder: their differences as functions of the inputs, where these are few enough.
    """

    bias: Array
    radius: Array
    low: Array
    high: Array
    magnitude: Array
    entries: int
    errors: ParameterErrors
    links: Links
    remainder: Remainder | None


def _no_copies() -> CopyBounds:
    empty = np.zeros(0)
    return CopyBounds(
        empty, empty, empty, empty, empty, 0, join_errors(()), join_links(()), remainder=None
    )


def join_bounds(parts: list[CopyBounds]) -> CopyBounds:
    """Copies of each part in turn; whether there is a remainder is the same in all."""
    parts = [_no_copies(), *parts]  # of a layer that nothing reads there are none
    remainders = [part.remainder for part in parts if part.remainder is not None]
    return CopyBounds(
        np.concatenate([part.bias for part in parts]),
        np.concatenate([part.radius for part in parts]),
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate([part.magnitude for part in parts]),
        sum(part.entries for part in parts),
        join_errors(part.errors for part in parts),
        join_links(part.links for part in parts),
        stack_remainders(remainders) if remainders else None,
    )


@dataclass(frozen=True, slots=True)
class Copies:
    """The live copies of a layer: phi(z + e) - phi(z) = slope e +- (spread |e| + constant).

    Attributes:
        difference: what e is made of.
        bounds: of e.
        slope: (copy,) see above.
        spread: (copy,)
        constant: (copy,)
        input_error: (copy,) sup |e|.
        error: (copy,) sup |phi(z + e) - phi(z)|, rounding of phi included.
        magnitude: (copy,) sum of absolute values behind e, for rounding.
    """

    difference: Difference
    bounds: CopyBounds
    slope: Array
    spread: Array
    constant: Array
    input_error: Array
    error: Array
    magnitude: Array


def join_intervals(parts: list[Interval]) -> Interval:
    """Those of each part in turn."""
    return Interval(
        np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts])
    )
