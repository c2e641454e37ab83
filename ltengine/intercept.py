"""What always-on carriers add to their reader's bias, and how that is taken out again.

A carrier m+ (w x + b) adds w2 m+ b to every pre-activation that reads it. Over all weights of a row
this grows like the root of their number, soon beyond what one base set reaches. So each row first
takes counterweights, single constants of the opposite sign, the largest first, until what is left
is small; that remainder, with the target's bias, is a subset-sum problem like any other.

Cells and constants lie on a grid of 2^-24, their products on 2^-48: all sums here are exact in
float64, in whatever order they are taken, as long as they stay below 32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.source import Source

REMAINDER = 0.5
"""Largest |remainder| left to the bias's base set, in units of its problems: within easy reach."""
LINKS_OF_A_WEIGHT = 3.0
LINK_VARIANCE = 0.14
"""Of w2 b, for uniform cells, b of an always-on neuron; normal cells grow with their constants."""
DEVIATIONS = 6.0
REACH_OF_A_CONSTANT = 0.12
"""Mean |w2 c| of a usable constant c, halved, since half of the w2 have the wrong sign."""
FEWEST_COUNTERWEIGHTS = 16


@dataclass(frozen=True, slots=True)
class Constants:
    """Candidates of one layer that emit a known constant: single neurons or looks-linear pairs.

    Attributes:
        rows: (candidate,) int64 ascending; of a pair, the even neuron.
        values: (candidate,) float64; what it emits, of a pair, the difference of both.
        paired: whether a candidate is a pair.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]
    paired: bool = False


NO_CONSTANTS = Constants(np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Intercepts:
    """What a layer of copies finds below it.

    Attributes:
        carriers: (neuron below,) b of each carrier, in units of the problems; 0 for constants.
        counterweights: constants to take intercepts out with, their values in the same units.
    """

    carriers: NDArray[np.float64]
    counterweights: Constants


@dataclass(frozen=True, slots=True)
class Balance:
    """Rows whose intercepts are nearly taken out.

    Attributes:
        cell_rows: (cell,) of the counterweights' cells.
        cell_columns: (cell,) likewise.
        remainders: (row,) what the bias's base set must still reach, in units of the problems.
    """

    cell_rows: NDArray[np.int64]
    cell_columns: NDArray[np.int64]
    remainders: NDArray[np.float64]


def counterweights(fan_in: int) -> int:
    """How many usable constants take out the intercepts of ``fan_in`` weights, but for 6 sigma."""
    spread = math.sqrt(LINKS_OF_A_WEIGHT * LINK_VARIANCE * fan_in)
    return FEWEST_COUNTERWEIGHTS + math.ceil(DEVIATIONS * spread / REACH_OF_A_CONSTANT)


def sum_intercepts(
    source: Source,
    layer: int,
    rows: NDArray[np.int64],
    cell_rows: NDArray[np.integer],
    cell_columns: NDArray[np.integer],
    intercepts: Intercepts,
) -> NDArray[np.float64]:
    """(row,) what the kept cells of each of ``rows`` (ascending) add to its bias."""
    cells = source.weights(layer, cell_rows, cell_columns)
    places = np.searchsorted(rows, cell_rows)
    sums = np.bincount(places, cells * intercepts.carriers[cell_columns], minlength=rows.size)
    return sums.astype(np.float64, copy=False)


def balance(
    source: Source,
    layer: int,
    rows: NDArray[np.int64],
    wanted: NDArray[np.float64],
    intercepts: Intercepts,
) -> Balance:
    """Take counterweights until what is left of ``wanted`` is within reach, in every row.

    Args:
        source: of the cells.
        layer: of copies.
        rows: ascending.
        wanted: (row,) the target's bias less the intercepts, in units of the problems.
        intercepts: of the layer below. Where its counterweights do not suffice, the remainder
            stays large, and the problem that it becomes is reported unsolved.
    """
    pool = intercepts.counterweights
    adds = source.weights(layer, rows[:, None], pool.rows[None, :]) * pool.values
    adds *= np.where(wanted < 0, -1.0, 1.0)[:, None]
    order = np.argsort(-adds, axis=1, kind="stable")
    reached = np.cumsum(np.maximum(np.take_along_axis(adds, order, axis=1), 0.0), axis=1)
    missing = np.abs(wanted)
    short = missing[:, None] - reached > REMAINDER
    taken = np.where(missing > REMAINDER, short.sum(axis=1) + 1, 0)
    taken = np.minimum(taken, np.count_nonzero(adds > 0, axis=1))
    place, rank = np.nonzero(np.arange(pool.rows.size) < taken[:, None])
    ends = np.concatenate((np.zeros((rows.size, 1)), reached), axis=1)
    left = missing - ends[np.arange(rows.size), taken]
    return Balance(
        rows[place],
        pool.rows[order[place, rank]],
        np.where(wanted < 0, -left, left),
    )
