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
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.copy_bounds import Copies, CopyBounds, Interval, Unit, join_intervals
from ltengine.difference import Difference, DifferencePart
from ltengine.emission import activation_rounding
from ltengine.joint_bound import stack_remainders, total_sums
from ltengine.linear_function import (
    LinearFunction,
    Passed,
    descend,
    extremes,
    pass_on,
    take_remainder,
)
from ltengine.network import DenseLayer
from ltengine.slopes import enclosing_line, slope_range

Array = NDArray[np.float64]

SLACK = 2.0**-50
"""Eight float64 roundoffs for each term of a sum."""
ENTRIES_PER_CHUNK = 1 << 19
"""A chunk of dense rows, a few of which stay in the processor's cache."""
MOST_KEPT = 4e7
"""Numbers that a layer's remainders may take."""
MOST_PRODUCTS = 4e9
"""Multiplications beyond which a layer gets the bounds of interval arithmetic alone."""


def _image(activation: Activation, interval: Interval) -> Interval:
    low, high = activation.image(interval.low, interval.high)
    return Interval(low.astype(np.float64), high.astype(np.float64))


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
        descend(function, self._units[number - 1], copies, passed)

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
            found = found.cut(extremes(self._at_inputs(function), self._inputs))
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
                bound = extremes(function, self._inputs)
                bounds.append(bound.widened(self._shared(function, jointly=False)))
                if keeps:
                    remainders.append(take_remainder(function, self._inputs))
            found = found.cut(join_intervals(bounds))
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
        found = join_intervals([interval for interval, _ in parts])
        if functions is not None:
            bounds = []
            for function in functions:
                bound = extremes(function, self._inputs)
                bounds.append(bound.widened(self._shared(function, jointly=True)))
            found = found.cut(join_intervals(bounds))
        magnitude = np.concatenate([magnitude for _, magnitude in parts])
        return found.widened(self._slack(magnitude)).supremum

    def at_inputs(self, functions: Iterable[LinearFunction]) -> Iterator[LinearFunction]:
        """Functions of the next layer, expressed by the inputs."""
        return map(self._at_inputs, functions)
