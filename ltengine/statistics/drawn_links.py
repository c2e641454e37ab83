"""The links of a drawn layer, gathered into a layer that can be evaluated.

Above copies the links are those of the drawn solutions. Above carriers, which only pass an input
on, they are one for each parameter, with the value that the solution reaches; where carriers of
both signs serve an input (Lemma 2.4), one for its positive and one for its negative part.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltengine.base_set import BaseSets
from ltengine.carrier import SignRule
from ltengine.plan import LayerPlan
from ltengine.posing import Problems
from ltengine.role import Role
from ltengine.sparse_network import SparseLayer


class DrawnLinks:
    """Gathers the links of one layer of copies."""

    def __init__(self, layer: LayerPlan, below: LayerPlan, base_sets: BaseSets) -> None:
        self._layer = layer
        self._below = below
        self._base_sets = base_sets
        self._biases = np.zeros(layer.width)
        self._rows = [np.zeros(0, np.int64)]
        self._columns = [np.zeros(0, np.int64)]
        self._values = [np.zeros(0)]

    def add(
        self,
        problems: Problems,
        sums: NDArray[np.float64],
        problem: NDArray[np.int64],
        columns: NDArray[np.int64],
        values: NDArray[np.float64],
    ) -> None:
        """Add drawn solutions.

        Args:
            problems: that were drawn.
            sums: (problem,) the parameter that each reaches.
            problem: (link,) the place of its problem.
            columns: (link, 1 or 2) what it reads.
            values: (link,) what it adds to the parameter.
        """
        of_bias = problems.base_sets == self._base_sets.bias
        self._biases[problems.rows[of_bias]] = sums[of_bias]
        if self._below.role is Role.UNIVARIATE:
            self._add_carried(problems, np.where(of_bias, 0.0, sums))
            return
        inner = ~of_bias[problem]
        self._extend(problems.rows[problem[inner]], columns[inner, 0], values[inner])

    def add_to_biases(self, rows: NDArray[np.int64], by: NDArray[np.float64]) -> None:
        """Add to the biases of these rows what does not come from drawn solutions."""
        self._biases[rows] += by

    def _add_carried(self, problems: Problems, sums: NDArray[np.float64]) -> None:
        per_unit = self._base_sets.per_unit
        units, side = problems.base_sets // per_unit, problems.base_sets % per_unit
        if self._below.sign_rule is not SignRule.BOTH:
            self._extend(problems.rows, units, sums)
            return
        # carriers with w > 0 pass on m+ of a positive input and m- of a negative one
        plus, minus = self._below.activation.m_plus, self._below.activation.m_minus
        same, other = plus / (plus + minus), minus / (plus + minus)
        self._extend(problems.rows, units, sums * np.where(side == 0, same, other))
        below_zero = -sums * np.where(side == 0, other, same)
        self._extend(problems.rows, self._below.units + units, below_zero)

    def _extend(
        self, rows: NDArray[np.int64], columns: NDArray[np.int64], values: NDArray[np.float64]
    ) -> None:
        kept = values != 0
        self._rows.append(rows[kept])
        self._columns.append(columns[kept])
        self._values.append(values[kept])

    def layer(self) -> SparseLayer:
        """Everything that was added, by rows."""
        rows = np.concatenate(self._rows)
        order = np.argsort(rows, kind="stable")
        counts = np.bincount(rows, minlength=self._layer.width)
        return SparseLayer(
            rows[order],
            np.concatenate(self._columns)[order],
            np.concatenate(self._values)[order],
            np.concatenate(([0], np.cumsum(counts))),
            self._biases,
            self._layer.activation,
        )
