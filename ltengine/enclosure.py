"""Bounds of what sets ticket and target apart, over the whole input domain.

Differences are carried back to the inputs as signed linear functions, so that terms which share an
input or a copy cancel before any absolute value is taken. At each activation

* a copy's error d = phi(z + e) - phi(z) is the middle of the possible slopes times e, up to half
  the slopes' range times sup |e|; surely dead and surely active units leave nothing to chance;
* a target unit x = phi(z) is a line in z, up to how far phi strays from it.

At the inputs a linear function's extremes on the box are exact. What activations leave to chance is
bounded for all copies together by ``joint_bound``, in the outputs. The method is differential
symbolic interval analysis (Paulsen, Wang and Wang, "ReluDiff", ICSE 2020) with parallel
relaxations, for a pair of networks of different width. Sums are float64; ``SLACK`` times the same
sums of absolute values covers their rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.difference import (
    Difference,
    DifferencePart,
    Links,
    ParameterErrors,
    activation_rounding,
    join_errors,
    join_links,
)
from ltengine.joint_bound import Remainder, stack_remainders, total_sums
from ltengine.network import DenseLayer
from ltengine.slopes import Line, enclosing_line, slope_range
from ltengine.sparse_rows import add_product, from_dense

Array = NDArray[np.float64]

SLACK = 2.0**-50
"""Eight float64 roundoffs for each term of a sum."""
ENTRIES_PER_CHUNK = 1 << 19
"""A chunk of dense rows, a few of which stay in the processor's cache."""
MOST_KEPT = 4e7
"""Numbers that a layer's remainders may take."""
MOST_PRODUCTS = 4e9
"""Multiplications beyond which a layer gets the bounds of interval arithmetic alone."""


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


def _descend(
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


def _extremes(function: LinearFunction, inputs: Interval) -> Interval:
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


def _remainder(function: LinearFunction, inputs: Interval) -> Remainder:
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


def _image(activation: Activation, interval: Interval) -> Interval:
    low, high = activation.image(interval.low, interval.high)
    return Interval(low.astype(np.float64), high.astype(np.float64))


def _join_intervals(parts: list[Interval]) -> Interval:
    return Interval(
        np.concatenate([part.low for part in parts]), np.concatenate([part.high for part in parts])
    )


def _fit(inputs: int, heights: Sequence[int]) -> bool:
    """Whether the remainders of all hidden layers are small enough: each needs those below it."""
    before = 2 * (inputs + np.cumsum([0, *heights[:-1]]))
    return bool((np.array(heights) * before[: len(heights)] <= MOST_KEPT).all())


class Enclosure:
    """Bounds of each layer of a target and of a ticket's difference to it, from the inputs up."""

    def __init__(self, inputs: Interval, activation: Activation, heights: Sequence[int]) -> None:
        """Of hidden layers that have so many live copies each."""
        self._inputs = inputs
        self._activation = activation
        self._keeps = _fit(inputs.low.size, heights)
        self._units: list[Unit] = []
        self._copies: list[Copies] = []
        self._longest_sum = float(inputs.low.size)

    @property
    def below(self) -> Interval:
        """What the units of the last layer added emit, or the inputs."""
        return self._units[-1].output if self._units else self._inputs

    @property
    def copies(self) -> tuple[Copies, ...]:
        """Of the layers added so far."""
        return tuple(self._copies)

    @property
    def _magnitude_below(self) -> Array:
        return self._units[-1].magnitude if self._units else self._inputs.supremum

    def _slack(self, magnitude: Array) -> Array:
        return SLACK * self._longest_sum * magnitude

    def affordable(self, rows: int) -> bool:
        """Whether so many functions are to be expressed by the inputs."""
        products = sum(float(unit.target.weight.size) for unit in self._units)
        products += sum(copies.bounds.entries for copies in self._copies)
        return rows * products <= MOST_PRODUCTS

    def _at_inputs(self, function: LinearFunction) -> LinearFunction:
        """The function, expressed by the inputs."""
        for number in range(len(self._units), 0, -1):
            passed = None
            if function.carry is not None:
                copies = self._copies[number - 1]
                parts = copies.difference.parts()
                (passed,) = pass_on([function], copies, parts, first=number == 1)
            self.descend(function, number, passed)
        return function

    def descend(self, function: LinearFunction, number: int, passed: Passed | None) -> None:
        """Express a function of hidden layer ``number``, from 1, by the layer below it.

        ``passed`` is what all of the layer's copies become, None where it has none of them.
        """
        copies = self._copies[number - 1] if function.carry is not None else None
        _descend(function, self._units[number - 1], copies, passed)

    def _shared(self, function: LinearFunction, *, jointly: bool) -> Array:
        """(row,) bounds of the shares, with each copy at its own worst input or all jointly."""
        total = np.zeros(function.middle.size)
        shares = list(reversed(function.shares))
        for copies, share in zip(self._copies, shares, strict=True):
            if share is not None:
                total += share @ copies.input_error
        found = (copies.bounds.remainder for copies in self._copies)
        remainders = [remainder for remainder in found if remainder is not None]
        if jointly and len(remainders) == len(self._copies):
            total = np.minimum(total, total_sums(shares, remainders))
        return total

    def pre_activations(self, target: DenseLayer) -> tuple[Interval, Array]:
        """Pre-activations of the next target layer; their sums of absolute values."""
        up, down = np.maximum(target.weight, 0), np.minimum(target.weight, 0)
        bias = np.zeros(target.outputs) if target.bias is None else target.bias
        below = self.below
        magnitude = np.abs(target.weight) @ self._magnitude_below + np.abs(bias)
        found = Interval(
            up @ below.low + down @ below.high + bias, up @ below.high + down @ below.low + bias
        )
        if self._units and self.affordable(target.outputs):
            function = LinearFunction(
                None, target.weight, None, bias.copy(), np.zeros(target.outputs)
            )
            found = found.cut(_extremes(self._at_inputs(function), self._inputs))
        return found.widened(self._slack(magnitude)), magnitude

    def _settle(self, part: DifferencePart) -> DifferencePart:
        """Terms in min(x, 0) as intervals, except at the inputs, where they are exact."""
        turn = part.turn
        if not self._units or (part.carry_turn is None and not turn.values.size):
            return part
        below = np.maximum(-self.below.low, 0.0)
        radius = part.radius + turn.absolute_product(below) / 2
        if part.carry_turn is not None:
            error = self._copies[-1].error
            lowest = below[self._copies[-1].difference.neurons] + error
            change = np.where(self._activation.nonnegative, 0.0, np.minimum(error, lowest))
            radius += part.carry_turn.absolute_product(change)
        turned = turn.values * below[turn.columns] / 2
        bias = part.bias - np.bincount(turn.rows(), turned, minlength=turn.height)
        return replace(part, bias=bias, radius=radius)

    def _unsigned(self, part: DifferencePart) -> tuple[Interval, Array]:
        """Bounds without any cancellation, and the sums of absolute values."""
        below, magnitude_below, radius = self.below, self._magnitude_below, part.radius
        interval, magnitude = part.own.range_on(below.low, below.high, magnitude_below)
        magnitude += np.abs(part.bias) + radius
        if part.turn.values.size:
            magnitude += part.turn.absolute_product(magnitude_below)
        if part.carry is not None:
            radius = radius + part.carry.absolute_product(self._copies[-1].error)
            magnitude += part.carry.absolute_product(self._copies[-1].magnitude)
        if not self._units and part.turn.values.size:
            radius = radius + part.turn.absolute_product(below.supremum)
        low, high = interval
        return Interval(low + part.bias - radius, high + part.bias + radius), magnitude

    def _functions(self, part: DifferencePart) -> Iterator[LinearFunction]:
        """The rows of a difference, in chunks, as functions of its layer."""
        carry, height = part.carry, part.own.height
        width = max(part.own.width, 0 if carry is None else carry.width)
        step = max(1, ENTRIES_PER_CHUNK // width)
        for first in range(0, height, step):
            last = min(first + step, height)
            yield LinearFunction(
                None if carry is None else carry.dense(first, last),
                part.own.dense(first, last),
                None if self._units else part.turn.dense(first, last),
                part.bias[first:last].copy(),
                part.radius[first:last].copy(),
            )

    def bound(self, part: DifferencePart, height: int) -> CopyBounds:
        """Bounds of some of the ``height`` live copies of the next hidden layer."""
        part = self._settle(part)
        found, magnitude = self._unsigned(part)
        affordable = self.affordable(height)
        keeps = affordable and self._keeps
        remainders = []
        # nothing cancels at the inputs but where the slope there has two values
        if keeps or (affordable and (self._units or part.turn.values.size)):
            bounds = []
            for function in map(self._at_inputs, self._functions(part)):
                bound = _extremes(function, self._inputs)
                bounds.append(bound.widened(self._shared(function, jointly=False)))
                if keeps:
                    remainders.append(_remainder(function, self._inputs))
            found = found.cut(_join_intervals(bounds))
        found = found.widened(self._slack(magnitude))
        return CopyBounds(
            part.bias,
            part.radius,
            found.low,
            found.high,
            magnitude,
            part.entries,
            part.errors,
            part.links,
            stack_remainders(remainders) if remainders else None,
        )

    def add_layer(self, difference: Difference, bounds: CopyBounds) -> Array:
        """Take a hidden layer and its copies in; (copy,) bounds of what the copies emit."""
        activation, target = self._activation, difference.target
        interval, magnitude = self.pre_activations(target)
        error = np.maximum(np.abs(bounds.low), np.abs(bounds.high))
        output = _image(activation, interval)
        at = difference.neurons
        reached = Interval(interval.low[at] - error, interval.high[at] + error)
        least, most = slope_range(activation, reached.low, reached.high)
        image = _image(activation, reached)
        rounding = activation_rounding(activation, image.supremum, reached.supremum)
        apart = np.maximum(image.high - output.low[at], output.high[at] - image.low)
        largest = np.minimum(np.maximum(np.abs(least), np.abs(most)) * error, apart)
        slope, spread = (least + most) / 2, (most - least) / 2
        loose = spread * error > largest
        self._copies.append(
            Copies(
                difference,
                bounds,
                np.where(loose, 0.0, slope),
                np.where(loose, 0.0, spread),
                np.where(loose, largest, 0.0) + rounding,
                error,
                largest + rounding,
                activation.lipschitz * bounds.magnitude,
            )
        )
        self._units.append(
            Unit(
                target,
                output,
                enclosing_line(activation, interval.low, interval.high),
                activation.lipschitz * magnitude + abs(activation.intercept),
            )
        )
        self._longest_sum += target.outputs + at.size
        return image.supremum + rounding

    def output_functions(self, difference: Difference) -> list[LinearFunction]:
        """The difference of a last, linear layer, as functions of that layer, some rows each."""
        parts = map(self._settle, difference.parts())
        return [function for part in parts for function in self._functions(part)]

    def output_errors(
        self, difference: Difference, functions: Iterable[LinearFunction] | None
    ) -> Array:
        """(output,) bounds of |difference| of a last, linear layer.

        ``functions`` are its rows as functions of the inputs, None where they are not affordable.
        """
        parts = [self._unsigned(self._settle(part)) for part in difference.parts()]
        found = _join_intervals([interval for interval, _ in parts])
        if functions is not None:
            bounds = []
            for function in functions:
                bound = _extremes(function, self._inputs)
                bounds.append(bound.widened(self._shared(function, jointly=True)))
            found = found.cut(_join_intervals(bounds))
        magnitude = np.concatenate([magnitude for _, magnitude in parts])
        return found.widened(self._slack(magnitude)).supremum

    def at_inputs(self, functions: Iterable[LinearFunction]) -> Iterator[LinearFunction]:
        """Functions of the next layer, expressed by the inputs."""
        return map(self._at_inputs, functions)
