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

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.difference import Difference, activation_rounding
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
class Copies:
    """The live copies of a layer: phi(z + e) - phi(z) = slope e +- (spread |e| + constant).

    Attributes:
        difference: what e is made of.
        slope: (copy,) see above.
        spread: (copy,)
        constant: (copy,)
        input_error: (copy,) sup |e|.
        error: (copy,) sup |phi(z + e) - phi(z)|, rounding of phi included.
        magnitude: (copy,) sum of absolute values behind e, for rounding.
    """

    difference: Difference
    slope: Array
    spread: Array
    constant: Array
    input_error: Array
    error: Array
    magnitude: Array


@dataclass(slots=True)
class _Function:
    """Rows of carry d + own x + turn min(x, 0) + middle +- (radius + shares |e|) at one layer.

    ``shares`` has an entry for each hidden layer passed so far: its copies' |e|, from the last.
    """

    carry: Array | None
    own: Array
    turn: Array | None
    middle: Array
    radius: Array
    shares: list[Array | None] = field(default_factory=list)


def _through_layer(function: _Function, unit: Unit, copies: Copies | None, *, first: bool) -> None:
    """Express a function of a hidden layer by the layer below it."""
    line, target, own = unit.line, unit.target, function.own
    function.radius += np.abs(own) @ line.radius
    function.middle += own @ line.intercept
    onto_inputs = own * line.slope
    function.own = onto_inputs @ target.weight
    if target.bias is not None:
        function.middle += onto_inputs @ target.bias
    if function.carry is None or copies is None:
        function.shares.append(None)
        return
    difference = copies.difference
    function.radius += np.abs(function.carry) @ copies.constant
    function.shares.append(np.abs(function.carry) * copies.spread)
    onto_errors = function.carry * copies.slope
    function.middle += onto_errors @ difference.bias
    function.radius += np.abs(onto_errors) @ difference.radius
    own, turn = np.zeros(function.own.shape), np.zeros(function.own.shape) if first else None
    carry: Array | None = None
    for part in difference.parts():
        some = onto_errors[:, part.rows]
        add_product(some, part.own, own)
        if turn is not None:
            add_product(some, part.turn, turn)
        if part.carry is not None:
            if carry is None:
                carry = np.zeros((onto_errors.shape[0], part.carry.width))
            add_product(some, part.carry, carry)
    function.own += own
    function.turn, function.carry = turn, carry


def _extremes(function: _Function, inputs: Interval) -> Interval:
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


def _remainder(function: _Function, inputs: Interval) -> Remainder:
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


class Enclosure:
    """Bounds of each layer of a target and of a ticket's difference to it, from the inputs up."""

    def __init__(self, inputs: Interval, activation: Activation) -> None:
        self._inputs = inputs
        self._activation = activation
        self._units: list[Unit] = []
        self._copies: list[Copies] = []
        self._remainders: list[Remainder] = []
        self._longest_sum = float(inputs.low.size)

    @property
    def below(self) -> Interval:
        """What the units of the last layer added emit, or the inputs."""
        return self._units[-1].output if self._units else self._inputs

    @property
    def _magnitude_below(self) -> Array:
        return self._units[-1].magnitude if self._units else self._inputs.supremum

    def _slack(self, magnitude: Array) -> Array:
        return SLACK * self._longest_sum * magnitude

    def _affordable(self, rows: int) -> bool:
        products = sum(float(unit.target.weight.size) for unit in self._units)
        products += sum(copies.difference.entries for copies in self._copies)
        return rows * products <= MOST_PRODUCTS

    def _at_inputs(self, function: _Function) -> _Function:
        """The function, expressed by the inputs."""
        for number in range(len(self._units) - 1, -1, -1):
            copies = self._copies[number] if function.carry is not None else None
            _through_layer(function, self._units[number], copies, first=number == 0)
        return function

    def _shared(self, function: _Function, *, jointly: bool) -> Array:
        """(row,) bounds of the shares, with each copy at its own worst input or all jointly."""
        total = np.zeros(function.middle.size)
        shares = list(reversed(function.shares))
        for copies, share in zip(self._copies, shares, strict=True):
            if share is not None:
                total += share @ copies.input_error
        if jointly and len(self._remainders) == len(self._copies):
            total = np.minimum(total, total_sums(shares, self._remainders))
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
        if self._units and self._affordable(target.outputs):
            function = _Function(None, target.weight, None, bias.copy(), np.zeros(target.outputs))
            found = found.cut(_extremes(self._at_inputs(function), self._inputs))
        return found.widened(self._slack(magnitude)), magnitude

    def _settle(self, difference: Difference) -> Difference:
        """Terms in min(x, 0) as intervals, except at the inputs, where they are exact."""
        if not (self._units and difference.turns):
            return difference
        below = np.maximum(-self.below.low, 0.0)
        error = self._copies[-1].error
        lowest = below[self._copies[-1].difference.neurons] + error
        change = np.where(self._activation.nonnegative, 0.0, np.minimum(error, lowest))
        bias, radius = difference.bias.copy(), difference.radius.copy()
        for part in difference.parts():
            turn = part.turn
            radius[part.rows] += turn.absolute_product(below) / 2
            if part.carry_turn is not None:
                radius[part.rows] += part.carry_turn.absolute_product(change)
            turned = turn.values * below[turn.columns] / 2
            bias[part.rows] -= np.bincount(turn.rows(), turned, minlength=turn.height)
        return replace(difference, bias=bias, radius=radius)

    def _unsigned(self, difference: Difference) -> tuple[Interval, Array]:
        """Bounds without any cancellation, and the sums of absolute values."""
        middle, below = difference.bias, self.below
        low, high = np.zeros(middle.size), np.zeros(middle.size)
        radius = difference.radius.copy()
        magnitude = np.abs(middle) + radius
        for part in difference.parts():
            own, turn, carry, at = part.own, part.turn, part.carry, part.rows
            ends = own.values * below.low[own.columns], own.values * below.high[own.columns]
            rows = own.rows()
            low[at] = np.bincount(rows, np.minimum(*ends), minlength=own.height)
            high[at] = np.bincount(rows, np.maximum(*ends), minlength=own.height)
            magnitude[at] += own.absolute_product(self._magnitude_below)
            magnitude[at] += turn.absolute_product(self._magnitude_below)
            if carry is not None:
                radius[at] += carry.absolute_product(self._copies[-1].error)
                magnitude[at] += carry.absolute_product(self._copies[-1].magnitude)
            if not self._units:
                radius[at] += turn.absolute_product(below.supremum)
        return Interval(low + middle - radius, high + middle + radius), magnitude

    def _functions(self, difference: Difference) -> Iterator[_Function]:
        """The rows of a difference, expressed by the inputs, in chunks."""
        for part in difference.parts():
            carry, height = part.carry, part.own.height
            width = max(part.own.width, 0 if carry is None else carry.width)
            step = max(1, ENTRIES_PER_CHUNK // width)
            for first in range(0, height, step):
                last = min(first + step, height)
                at = slice(part.first + first, part.first + last)
                yield self._at_inputs(
                    _Function(
                        None if carry is None else carry.dense(first, last),
                        part.own.dense(first, last),
                        None if self._units else part.turn.dense(first, last),
                        difference.bias[at].copy(),
                        difference.radius[at].copy(),
                    )
                )

    def _errors(self, difference: Difference, *, hidden: bool) -> tuple[Interval, Array]:
        """Bounds of a difference, and its sums of absolute values."""
        found, magnitude = self._unsigned(difference)
        height = difference.bias.size
        if height and self._affordable(height):
            keeps = hidden and height * (2 * self._longest_sum) <= MOST_KEPT
            bounds, remainders = [], []
            for function in self._functions(difference):
                bound = _extremes(function, self._inputs)
                bounds.append(bound.widened(self._shared(function, jointly=not hidden)))
                if keeps:
                    remainders.append(_remainder(function, self._inputs))
            if keeps:
                self._remainders.append(stack_remainders(remainders))
            low = np.concatenate([bound.low for bound in bounds])
            high = np.concatenate([bound.high for bound in bounds])
            found = found.cut(Interval(low, high))
        return found.widened(self._slack(magnitude)), magnitude

    def output_errors(self, difference: Difference) -> Interval:
        """The range of the difference of a last, linear layer."""
        return self._errors(self._settle(difference), hidden=False)[0]

    def add_layer(self, target: DenseLayer, difference: Difference) -> Array:
        """Take a hidden layer and its copies in; (copy,) bounds of what the copies emit."""
        difference = self._settle(difference)
        activation = self._activation
        interval, magnitude = self.pre_activations(target)
        found, error_magnitude = self._errors(difference, hidden=True)
        error = found.supremum
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
                np.where(loose, 0.0, slope),
                np.where(loose, 0.0, spread),
                np.where(loose, largest, 0.0) + rounding,
                error,
                largest + rounding,
                activation.lipschitz * error_magnitude,
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
