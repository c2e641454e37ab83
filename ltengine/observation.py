"""The largest output error that is observed: on given inputs, and by a search over the domain.

The ticket runs in single precision, as users run it, and the target in double precision, so that
what is observed is the ticket's error and not the target's rounding. The search climbs |ticket -
target| by the signs of its gradient, from points of the domain and from inputs where the error is
large already; its steps shrink from the width of the domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.activation import Activation
from ltengine.chain import SAMPLES_PER_TILE, Chain, target_chain, ticket_chain
from ltengine.evaluation import CompactLayer, compact, evaluate_target, evaluate_ticket
from ltengine.network import Network
from ltengine.progress import AskCancel, never_cancel
from ltengine.randomness import random_words
from ltengine.source import uniform_from_words
from ltengine.sparse_network import LayerCells
from ltengine.specification import InputSpecification

Array = NDArray[np.float64]

SEARCH_STREAM = 1 << 16
"""Random words for starting points; no cell of a source has this stream."""
STARTS, STEPS = 24, 32
DECAY = 0.85
"""Each step is this times as long as the one before."""


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


def starting_points(domain: InputSpecification, inputs: int, starts: int, seed: int) -> Array:
    """(input, start) points of the domain: random corners and random inner points in turn."""
    words = random_words(seed, SEARCH_STREAM, 0, np.arange(starts), np.arange(inputs)[:, None])
    share = uniform_from_words(words) / 2 + 0.5
    share[:, ::2] = np.round(share[:, ::2])
    low, high = domain.normalised_low, domain.normalised_high
    return low + share * (high - low)


def search_largest_error(
    layers: Sequence[LayerCells],
    network: Network,
    activation: Activation,
    domain: InputSpecification,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
    seed: int = 0,
    also_from: NDArray[np.float32] | None = None,
    cancel: AskCancel = never_cancel,
) -> LargestError:
    """Search the domain for the input with the largest error.

    Args:
        layers: the ticket's cells.
        network: the target.
        activation: between its layers.
        domain: raw inputs' range and normalisation.
        starts: points of the domain to start from.
        steps: of each search.
        seed: of the starting points.
        also_from: (sample, input) normalised inputs to start from as well.
        cancel: asked before each step; the search then ends with what it has found.
    """
    small = compact(layers)
    low, high = domain.normalised_low, domain.normalised_high
    x = starting_points(domain, network.inputs, starts, seed)
    given = np.zeros((network.inputs, 0)) if also_from is None else also_from.T.astype(np.float64)
    x = np.concatenate((x, np.clip(given, low, high)), axis=1)
    outputs, signs = _aims(small, network, activation, x, starts)
    chains = ticket_chain(small, network.inputs), target_chain(network, activation)
    climbs = [
        _Climb(*chains, x[:, tile], outputs[tile], signs[tile])
        for tile in (
            slice(first, first + SAMPLES_PER_TILE)
            for first in range(0, x.shape[1], SAMPLES_PER_TILE)
        )
    ]
    with ThreadPoolExecutor(numba.get_num_threads()) as threads:
        for step in range(steps + 1):
            if cancel():
                break
            length = (high - low) * DECAY**step
            for _ in threads.map(lambda climb, by=length: climb.step(by, low, high), climbs):
                pass  # raises what a climb has raised
    best = np.concatenate([climb.best for climb in climbs], axis=1)
    return largest_error(small, network, activation, best.T.astype(np.float32))


class _Climb:
    """The search from at most a tile of points: where each is, and the best it has been at."""

    def __init__(
        self,
        ticket: Chain,
        target: Chain,
        x: Array,
        outputs: NDArray[np.int64],
        signs: Array,
    ) -> None:
        self._ticket, self._target = ticket, target
        self._width = x.shape[1]
        fill = ((0, 0), (0, SAMPLES_PER_TILE - self._width))
        self._x = np.pad(x, fill, mode="edge")
        self._outputs, self._signs = np.pad(outputs, fill[1]), np.pad(signs, fill[1])
        self._best, self._best_error = self._x, np.full(SAMPLES_PER_TILE, -1.0)

    @property
    def best(self) -> Array:
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
        seed[self._outputs, np.arange(SAMPLES_PER_TILE)] = self._signs
        gradient = self._ticket.gradient(drives, seed) - self._target.gradient(target_drives, seed)
        self._x = np.clip(self._x + length * np.sign(gradient), low, high)


def _aims(
    layers: tuple[CompactLayer, ...],
    network: Network,
    activation: Activation,
    x: Array,
    starts: int,
) -> tuple[NDArray[np.int64], Array]:
    """(sample,) which output each search drives away, and to which side.

    Searches from points of the domain take outputs and sides in turn; those from given inputs take
    what is worst there.
    """
    inputs = x.T.astype(np.float32)
    target = evaluate_target(network, activation, inputs)
    difference = evaluate_ticket(layers, inputs) - target
    outputs = np.abs(difference).argmax(1)
    signs = np.sign(difference[np.arange(outputs.size), outputs])
    number = np.arange(starts)
    outputs[:starts] = number % difference.shape[1]
    signs[:starts] = 1.0 - 2.0 * (number // difference.shape[1] % 2)
    return outputs, signs
