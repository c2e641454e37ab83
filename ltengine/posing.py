"""Posing: from the rows of a source layer to their subset-sum problems."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ltengine.base_set import BaseSets
from ltengine.construction_kernel import pose_weights
from ltengine.network import DenseLayer
from ltengine.plan import LayerPlan


@dataclass(frozen=True, slots=True)
class Problems:
    """The problems of some rows of one source layer: one per nonzero parameter (and sign)."""

    rows: NDArray[np.int64]
    base_sets: NDArray[np.int64]
    targets: NDArray[np.float64]

    @staticmethod
    def empty(size: int) -> Problems:
        """Room for ``size`` problems, to be filled."""
        return Problems(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size))

    def take(self, places: NDArray[np.int64]) -> Problems:
        """The problems at these places."""
        return Problems(self.rows[places], self.base_sets[places], self.targets[places])


def row_chunks(
    rows: NDArray[np.int64],
    layer: LayerPlan,
    target: DenseLayer,
    base_sets: BaseSets,
    problems_per_chunk: int,
) -> Iterator[NDArray[np.int64]]:
    """The given rows in runs of about that many problems."""
    per_neuron = np.count_nonzero(target.weight, axis=1) * base_sets.per_unit + 1
    chunk_of_row = np.cumsum(per_neuron[rows // layer.block_size]) // problems_per_chunk
    starts = np.flatnonzero(np.diff(chunk_of_row, prepend=-1))
    for first, last in pairwise((*starts.tolist(), rows.size)):
        yield rows[first:last]


def pose(
    rows: NDArray[np.int64], layer: LayerPlan, target: DenseLayer, base_sets: BaseSets
) -> Problems:
    """Problems of the given rows: weights, each row's in order of its inputs, then biases.

    Above always-on carriers biases are left out: they depend on the weights' solutions.
    """
    neurons = rows // layer.block_size
    bias = target.bias if base_sets.bias >= 0 and base_sets.intercepts is None else None
    biased = np.zeros(0, np.int64) if bias is None else np.flatnonzero(bias[neurons])
    posed, place = np.unique(neurons, return_inverse=True)
    weights_of_row = np.count_nonzero(target.weight[posed], axis=1)[place] * base_sets.per_unit
    ends = np.cumsum(weights_of_row)
    weights = int(weights_of_row.sum())
    problems = Problems.empty(weights + biased.size)
    pose_weights(
        rows,
        neurons,
        ends - weights_of_row,
        target.weight,
        base_sets.per_unit,
        problems.rows,
        problems.base_sets,
        problems.targets,
    )
    if bias is not None:
        problems.rows[weights:] = rows[biased]
        problems.base_sets[weights:] = base_sets.bias
        problems.targets[weights:] = bias[neurons[biased]]
    return problems


def pose_biases(
    rows: NDArray[np.int64], targets: NDArray[np.float64], base_sets: BaseSets
) -> Problems:
    """One problem for each row whose bias is not 0."""
    biased = np.flatnonzero(targets)
    return Problems(rows[biased], np.full(biased.size, base_sets.bias), targets[biased])
