"""Bounds of what sets ticket and target apart, over the whole input domain.

Differences are carried back to the inputs as signed linear functions, so that terms which share an
input or a copy cancel before any absolute value is taken. At each activation

* a copy's error d = phi(z + e) - phi(z) is the middle of the possible slopes times e, up to half
  the slopes' range times sup |e|; surely dead and surely active units leave nothing to chance;
* a target unit x = phi(z) is a line in z, up to how far phi strays from it.

At the inputs a linear function's extremes on the box are exact. The method is differential
symbolic interval analysis (Paulsen, Wang and Wang, "ReluDiff", ICSE 2020) with parallel
relaxations, for a pair of networks of different width. Sums are float64; ``SLACK`` times the same
sums of absolute values covers their rounding.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.difference import Difference, activation_rounding
from ltengine.network import DenseLayer
from ltengine.slopes import Line, enclosing_line, slope_range
from ltengine.sparse_rows import multiply

Array = NDArray[np.float64]

SLACK = 2.0**-50
"""Eight float64 roundoffs for each term of a sum."""
ENTRIES_PER_CHUNK = 1 << 22
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
    """The live copies of a hidden target layer: phi(z + e) - phi(z) = slope e +- radius.

    Attributes:
        difference: what e is made of.
        slope: (copy,) see above.
        radius: (copy,)
        error: (copy,) sup |phi(z + e) - phi(z)|, rounding of phi included.
        magnitude: (copy,) sum of absolute values behind e, for rounding.
    """

    difference: Difference
    slope: Array
    radius: Array
    error: Array
    magnitude: Array


@dataclass(slots=True)
class _Function:
    """Rows of carry d + own x + turn min(x, 0) + middle +- radius at one layer."""

    carry: Array | None
    own: Array
    turn: Array | None
    middle: Array
    radius: Array


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
        return
    difference = copies.difference
    function.radius += np.abs(function.carry) @ copies.radius
    onto_errors = function.carry * copies.slope
    function.middle += onto_errors @ difference.bias
    function.radius += np.abs(onto_errors) @ difference.radius
    function.own += multiply(onto_errors, difference.own)
    if first:
        function.turn = multiply(onto_errors, difference.turn)
    function.carry = None if difference.carry is None else multiply(onto_errors, difference.carry)


def _extremes(function: _Function, inputs: Interval) -> Interval:
    """The function's range on the input box."""
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
        for copies in self._copies:
            carry = copies.difference.carry
            products += copies.difference.own.values.size + (
                0 if carry is None else carry.values.size
            )
        return rows * products <= MOST_PRODUCTS

    def _bound(self, function: _Function) -> Interval:
        for number in range(len(self._units) - 1, -1, -1):
            copies = self._copies[number] if function.carry is not None else None
            _through_layer(function, self._units[number], copies, first=number == 0)
        return _extremes(function, self._inputs)

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
            found = found.cut(self._bound(function))
        return found.widened(self._slack(magnitude)), magnitude

    def _settle(self, difference: Difference) -> Difference:
        """Terms in min(x, 0) as intervals, except at the inputs, where they are exact."""
        if not self._units:
            return difference
        below = np.maximum(-self.below.low, 0.0)
        reach = difference.turn.absolute_product(below) / 2
        radius = difference.radius + reach
        if difference.carry_turn is not None:
            error = self._copies[-1].error
            lowest = below[self._copies[-1].difference.neurons] + error
            change = np.where(self._activation.nonnegative, 0.0, np.minimum(error, lowest))
            radius = radius + difference.carry_turn.absolute_product(change)
        turned = difference.turn.values * below[difference.turn.columns] / 2
        middle = np.bincount(difference.turn.rows(), turned, minlength=radius.size)
        return replace(difference, bias=difference.bias - middle, radius=radius)

    def _unsigned(self, difference: Difference) -> tuple[Interval, Array]:
        """Bounds without any cancellation, and the sums of absolute values."""
        own, below = difference.own, self.below
        first, second = own.values * below.low[own.columns], own.values * below.high[own.columns]
        radius = difference.radius.copy()
        magnitude = own.absolute_product(self._magnitude_below) + np.abs(difference.bias) + radius
        magnitude += difference.turn.absolute_product(self._magnitude_below)
        if difference.carry is not None:
            radius += difference.carry.absolute_product(self._copies[-1].error)
            magnitude += difference.carry.absolute_product(self._copies[-1].magnitude)
        if not self._units:
            radius += difference.turn.absolute_product(self.below.supremum)
        rows, height = own.rows(), radius.size
        low = np.bincount(rows, np.minimum(first, second), minlength=height)
        high = np.bincount(rows, np.maximum(first, second), minlength=height)
        middle = difference.bias
        return Interval(low + middle - radius, high + middle + radius), magnitude

    def _signed(self, difference: Difference) -> Interval:
        carry = difference.carry
        width = max(difference.own.width, 0 if carry is None else carry.width)
        step = max(1, ENTRIES_PER_CHUNK // width)
        parts = []
        for first in range(0, difference.bias.size, step):
            last = min(first + step, difference.bias.size)
            function = _Function(
                None if carry is None else carry.dense(first, last),
                difference.own.dense(first, last),
                None if self._units else difference.turn.dense(first, last),
                difference.bias[first:last].copy(),
                difference.radius[first:last].copy(),
            )
            parts.append(self._bound(function))
        low = np.concatenate([part.low for part in parts])
        return Interval(low, np.concatenate([part.high for part in parts]))

    def _errors(self, difference: Difference) -> tuple[Interval, Array]:
        found, magnitude = self._unsigned(difference)
        if difference.bias.size and self._affordable(difference.bias.size):
            found = found.cut(self._signed(difference))
        return found.widened(self._slack(magnitude)), magnitude

    def output_errors(self, difference: Difference) -> Interval:
        """The range of the difference of a last, linear layer."""
        return self._errors(self._settle(difference))[0]

    def add_layer(self, target: DenseLayer, difference: Difference) -> Array:
        """Take a hidden layer and its copies in; (copy,) bounds of what the copies emit."""
        difference = self._settle(difference)
        activation = self._activation
        interval, magnitude = self.pre_activations(target)
        found, error_magnitude = self._errors(difference)
        error = found.supremum
        output = _image(activation, interval)
        at = difference.neurons
        reached = Interval(interval.low[at] - error, interval.high[at] + error)
        least, most = slope_range(activation, reached.low, reached.high)
        image = _image(activation, reached)
        rounding = activation_rounding(activation, image.supremum, reached.supremum)
        apart = np.maximum(image.high - output.low[at], output.high[at] - image.low)
        largest = np.minimum(np.maximum(np.abs(least), np.abs(most)) * error, apart)
        slope, radius = (least + most) / 2, (most - least) / 2 * error
        loose = radius > largest
        self._copies.append(
            Copies(
                difference,
                np.where(loose, 0.0, slope),
                np.where(loose, largest, radius) + rounding,
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
