"""The largest output error that is observed: on given inputs, and by a search over the domain.

The ticket runs in single precision, as users run it, and the target in double precision, so that
what is observed is the ticket's error and not the target's rounding. The search climbs |ticket -
target| by the signs of its gradient, from points of the domain and from inputs where the error is
large already; its steps shrink from the width of the domain. It finds its way in single precision
where the errors are far above that precision's rounding; what it has found is then observed anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.chain import (
    Chain,
    Precision,
    samples_per_tile,
    target_chain,
    ticket_chain,
)
from ltengine.evaluation import (
    CompactLayer,
    Predictions,
    compact,
    compare_predictions,
    evaluate_target,
    evaluate_ticket,
)
from ltengine.network import Network
from ltengine.progress import AskCancel, never_cancel
from ltengine.randomness import random_words
from ltengine.source import uniform_from_words
from ltengine.sparse_network import LayerCells
from ltengine.specification import InputSpecification

Array = NDArray[np.float64]

SEARCH_STREAM = 1 << 16
"""Random words for starting points; no cell of a source has this stream."""
WORST_INPUTS = 16
"""Of a data set: the search starts from these too."""
STEPS = 32
STARTS, CELLS_OF_HALF_THE_STARTS = 32, 1 << 27
"""Larger tickets are searched from half as many points."""
SHRINKING = 0.85**STEPS
"""The last step is this times as long as the first."""
MOST_PRODUCTS, FEWEST_STEPS = 1 << 30, 16
"""Cells times steps that a search takes at most, but for its fewest steps."""
FAR_ABOVE_ROUNDING = 2.0**-10
"""Errors that are this share of the outputs are seen in single precision too."""


@dataclass(frozen=True, slots=True)
class LargestError:
    """Where |ticket - target| was found largest.

    Attributes:
        error: there, over all outputs.
        input: (input,) normalised, in the domain.
        output: which output it is.
    """

    error: float
    input: NDArray[np.float32]
    output: int


@dataclass(frozen=True, slots=True)
class SampleErrors:
    """What a ticket and its target say to some samples.

    Attributes:
        largest: |ticket - target|, over samples and outputs.
        worst: (sample, input) the inputs where it is largest, WORST_INPUTS of them at most.
        errors: (sample,) there, ascending.
        predictions: of both.
    """

    largest: float
    worst: NDArray[np.float32]
    errors: Array
    predictions: Predictions


def observe_samples(
    layers: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    inputs: NDArray[np.float32],
    labels: NDArray[np.int64],
) -> SampleErrors:
    """Run both on normalised inputs (sample, input) with their labels (sample,)."""
    target, ticket = evaluate_target(network, activation, inputs), evaluate_ticket(layers, inputs)
    errors = np.asarray(np.abs(target - ticket).max(axis=1), np.float64)
    worst = np.argsort(errors)[-WORST_INPUTS:]
    predictions = compare_predictions(target, ticket, labels)
    return SampleErrors(float(errors.max()), inputs[worst], errors[worst], predictions)


def join_samples(parts: Sequence[SampleErrors]) -> SampleErrors:
    """The samples of all parts together."""
    errors = np.concatenate([part.errors for part in parts])
    worst = np.argsort(errors)[-WORST_INPUTS:]
    predictions = parts[0].predictions
    for part in parts[1:]:
        predictions += part.predictions
    inputs = np.concatenate([part.worst for part in parts])
    return SampleErrors(float(errors.max()), inputs[worst], errors[worst], predictions)


def output_errors(
    layers: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    inputs: NDArray[np.float32],
) -> Array:
    """(sample, output) |ticket - target| of normalised inputs (sample, input)."""
    target = evaluate_target(network, activation, inputs)
    return np.asarray(np.abs(evaluate_ticket(layers, inputs) - target), np.float64)


def largest_error(
    layers: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    inputs: NDArray[np.float32],
) -> LargestError:
    """The largest error on given normalised inputs (sample, input), at least one."""
    errors = output_errors(layers, network, activation, inputs)
    sample, output = np.unravel_index(int(errors.argmax()), errors.shape)
    return LargestError(float(errors.max()), inputs[sample], int(output))


def starting_points(domain: InputSpecification, inputs: int, starts: range, seed: int) -> Array:
    """(input, start) points of the domain by number: even ones are corners, odd ones inside."""
    numbers = np.array(starts, np.int64)
    words = random_words(seed, SEARCH_STREAM, 0, numbers, np.arange(inputs)[:, None])
    share = uniform_from_words(words) / 2 + 0.5
    corners = numbers % 2 == 0
    share[:, corners] = np.round(share[:, corners])
    low, high = domain.normalised_low, domain.normalised_high
    return low + share * (high - low)


def search_largest_error(
    layers: Sequence[LayerCells],
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    *,
    starts: range | None = None,
    steps: int | None = None,
    seed: int = 0,
    also_from: NDArray[np.float32] | None = None,
    cancel: AskCancel = never_cancel,
) -> LargestError:
    """Search the domain for the input with the largest error: ``search_compact`` of these cells."""
    return search_compact(
        compact(layers),
        network,
        activation,
        domain,
        starts=starts,
        steps=steps,
        seed=seed,
        also_from=also_from,
        cancel=cancel,
    )


def search_compact(
    small: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    *,
    starts: range | None = None,
    steps: int | None = None,
    seed: int = 0,
    also_from: NDArray[np.float32] | None = None,
    cancel: AskCancel = never_cancel,
) -> LargestError:
    """Search the domain for the input with the largest error.

    Args:
        small: the ticket's layers.
        network: the target.
        activation: between its layers.
        domain: raw inputs' range and normalisation.
        starts: points of the domain to start from, by number; None: as many as a ticket of this
            size can afford.
        steps: of each search; None: as many as a ticket of this size can afford.
        seed: of the starting points.
        also_from: (sample, input) normalised inputs to start from as well.
        cancel: asked before each step; the search then ends with what it has found.
    """
    if starts is None:
        starts = affordable_starts(sum(layer.columns.size for layer in small))
    low, high = domain.normalised_low, domain.normalised_high
    x = starting_points(domain, network.inputs, starts, seed)
    given = np.zeros((network.inputs, 0)) if also_from is None else also_from.T.astype(np.float64)
    x = np.concatenate((x, np.clip(given, low, high)), axis=1)
    aims = _aims(small, network, activation, x, starts)
    width, count = samples_per_tile(aims.precision), numba.get_num_threads()
    with ThreadPoolExecutor(count) as threads, ThreadPoolExecutor(count) as workers:
        ticket = ticket_chain(small, network.inputs, aims.precision, workers)
        target = target_chain(network, activation, aims.precision)
        climbs = [
            _Climb(ticket, target, x[:, tile], aims.outputs[tile], aims.signs[tile], aims.precision)
            for tile in (slice(first, first + width) for first in range(0, x.shape[1], width))
        ]
        steps = affordable_steps(ticket.cells) if steps is None else steps
        for step in range(steps + 1):
            if cancel():
                break
            length = (high - low) * SHRINKING ** (step / max(steps, 1))
            for _ in threads.map(lambda climb, by=length: climb.step(by, low, high), climbs):
                pass  # raises what a climb has raised
    best = np.concatenate([climb.best for climb in climbs], axis=1)
    return largest_error(small, network, activation, best.T.astype(np.float32))


def affordable_starts(cells: int) -> range:
    """Points of the domain from which a ticket of so many cells is searched."""
    return range(STARTS if cells <= CELLS_OF_HALF_THE_STARTS else STARTS // 2)


def affordable_steps(cells: int) -> int:
    """Steps of a search through so many cells: fewer where each takes seconds."""
    return min(STEPS, max(FEWEST_STEPS, MOST_PRODUCTS // max(cells, 1)))


class _Climb:
    """The search from at most a tile of points: where each is, and the best it has been at."""

    def __init__(
        self,
        ticket: Chain,
        target: Chain,
        x: Array,
        outputs: NDArray[np.int64],
        signs: Array,
        precision: Precision,
    ) -> None:
        self._ticket, self._target = ticket, target
        self._width, tile = x.shape[1], samples_per_tile(precision)
        fill = ((0, 0), (0, tile - self._width))
        self._x: NDArray[np.floating] = np.pad(x, fill, mode="edge").astype(precision)
        self._outputs, self._signs = np.pad(outputs, fill[1]), np.pad(signs, fill[1])
        self._best, self._best_error = self._x, np.full(tile, -1.0)

    @property
    def best(self) -> NDArray[np.floating]:
        """(input, sample)"""
        return self._best[:, : self._width]

    def step(self, length: float, low: float, high: float) -> None:
        """Note how good each point is, and move it along its gradient's signs."""
        ticket, drives = self._ticket.outputs(self._x)
        target, target_drives = self._target.outputs(self._x)
        error = np.abs(ticket - target).max(0)
        better = error > self._best_error
        self._best_error = np.where(better, error, self._best_error)
        self._best = np.where(better, self._x, self._best)
        seed = np.zeros(ticket.shape)
        seed[self._outputs, np.arange(error.size)] = self._signs
        gradient = self._ticket.gradient(drives, seed) - self._target.gradient(target_drives, seed)
        moved = np.clip(self._x + length * np.sign(gradient), low, high)
        self._x = moved.astype(self._x.dtype, copy=False)


@dataclass(frozen=True, slots=True)
class _Aims:
    """(sample,) which output each search drives away, and to which side; with which precision."""

    outputs: NDArray[np.int64]
    signs: Array
    precision: Precision


def _aims(
    layers: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    x: Array,
    starts: range,
) -> _Aims:
    """Searches from points of the domain take outputs and sides in turn; others what is worst."""
    inputs = x.T.astype(np.float32)
    target = evaluate_target(network, activation, inputs)
    difference = evaluate_ticket(layers, inputs) - target
    outputs = np.abs(difference).argmax(1)
    signs = np.sign(difference[np.arange(outputs.size), outputs])
    number = np.array(starts, np.int64)
    outputs[: number.size] = number % difference.shape[1]
    signs[: number.size] = 1.0 - 2.0 * (number // difference.shape[1] % 2)
    far = np.abs(difference).max() > FAR_ABOVE_ROUNDING * np.abs(target).max()
    return _Aims(outputs, signs, np.float32 if far else np.float64)
