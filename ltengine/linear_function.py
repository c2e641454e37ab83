"""Signed linear functions of a layer's units and copies, and how they pass down to the inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ltengine.copy_bounds import Copies, Interval, Unit
from ltengine.difference import DifferencePart
from ltengine.joint_bound import Remainder
from ltengine.sparse_rows import add_product, from_dense

Array = NDArray[np.float64]


@dataclass(slots=True)
class LinearFunction:
    """Rows of carry d + own x + turn min(x, 0) + middle +- (radius + shares |e|) at one layer.

    ``shares`` has an entry for each hidden layer passed so far: its copies' |e|, from the last.
    """

    carry: Array | None
    own: Array
    turn: Array | None
    middle: Array
    radius: Array
    shares: list[Array | None] = field(default_factory=list)


@dataclass(slots=True)
class Passed:
    """What a function's copies become one layer further down, or what some of them do."""

    own: Array
    turn: Array | None
    carry: Array | None

    def __iadd__(self, other: Passed) -> Self:
        self.own += other.own
        if self.turn is not None and other.turn is not None:
            self.turn += other.turn
        if other.carry is not None:
            self.carry = other.carry if self.carry is None else self.carry + other.carry
        return self


def pass_on(
    functions: Sequence[LinearFunction],
    copies: Copies,
    parts: Iterable[DifferencePart],
    *,
    first: bool,
) -> list[Passed | None]:
    """Express the errors of some copies by what these read, for each function that has any.

    Args:
        functions: of the copies' layer.
        copies: of that layer.
        parts: the differences of those to be passed on.
        first: it is the first hidden layer, which reads the inputs.
    """
    units = copies.difference.target.inputs
    onto = [None if f.carry is None else f.carry * copies.slope for f in functions]
    passed = [None if errors is None else _nothing(len(errors), units, first) for errors in onto]
    for part in parts:
        for errors, found in zip(onto, passed, strict=True):
            if errors is None or found is None:
                continue
            some = errors[:, part.rows]
            add_product(some, part.own, found.own)
            if found.turn is not None:
                add_product(some, part.turn, found.turn)
            if part.carry is not None:
                if found.carry is None:
                    found.carry = np.zeros((len(errors), part.carry.width))
                add_product(some, part.carry, found.carry)
    return passed


def _nothing(height: int, units: int, first: bool) -> Passed:
    shape = height, units
    return Passed(np.zeros(shape), np.zeros(shape) if first else None, None)


def descend(
    function: LinearFunction, unit: Unit, copies: Copies | None, passed: Passed | None
) -> None:
    """Express a function of a hidden layer by the layer below it; ``passed`` by all its copies."""
    line, target, own = unit.line, unit.target, function.own
    function.radius += np.abs(own) @ line.radius
    function.middle += own @ line.intercept
    onto_inputs = own * line.slope
    function.own = onto_inputs @ target.weight
    if target.bias is not None:
        function.middle += onto_inputs @ target.bias
    if function.carry is None or copies is None or passed is None:
        function.shares.append(None)
        return
    function.radius += np.abs(function.carry) @ copies.constant
    function.shares.append(np.abs(function.carry) * copies.spread)
    onto_errors = function.carry * copies.slope
    function.middle += onto_errors @ copies.bounds.bias
    function.radius += np.abs(onto_errors) @ copies.bounds.radius
    function.own += passed.own
    function.turn, function.carry = passed.turn, passed.carry


def extremes(function: LinearFunction, inputs: Interval) -> Interval:
    """The range on the input box, but for the shares."""
    minus = function.own if function.turn is None else function.own + function.turn
    at_low = np.where(inputs.low < 0, minus, function.own) * inputs.low
    at_high = np.where(inputs.high < 0, minus, function.own) * inputs.high
    low, high = np.minimum(at_low, at_high), np.maximum(at_low, at_high)
    if function.turn is not None:
        spans = (inputs.low < 0) & (inputs.high > 0)
        low = np.where(spans, np.minimum(low, 0), low)
        high = np.where(spans, np.maximum(high, 0), high)
    return Interval(
        low.sum(1) + function.middle - function.radius,
        high.sum(1) + function.middle + function.radius,
    )


def take_remainder(function: LinearFunction, inputs: Interval) -> Remainder:
    """The function with the box's middle and half widths taken out, x >= 0 and x < 0 apart."""
    middle, parts = function.middle.copy(), []
    pieces = [(function.own, inputs)]
    if function.turn is not None and function.turn.any():
        up = Interval(np.maximum(inputs.low, 0), np.maximum(inputs.high, 0))
        down = Interval(np.minimum(inputs.low, 0), np.minimum(inputs.high, 0))
        pieces = [(function.own, up), (function.own + function.turn, down)]
    for slope, piece in pieces:
        middle += slope @ ((piece.low + piece.high) / 2)
        parts.append(slope * ((piece.high - piece.low) / 2))
    shares = (None if share is None else from_dense(share) for share in reversed(function.shares))
    linear = from_dense(np.concatenate(parts, axis=1))
    return Remainder(linear, middle, function.radius, tuple(shares))
