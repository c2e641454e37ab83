"""Independent random subset-sum problems made of the source's own cells.

Problem p owns row p of the source's first layers, so that any problem can be drawn alone, and a
problem with more candidates is the same problem with some added: what n candidates solve, n + 1 do.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ltengine.problem import FRACTION_BITS, ITEM_LIMIT, fixed_point_targets
from ltengine.source import Distribution, Source
from ltengine.statistics.question import StatisticsQuestion

CELL_LAYER = 1
FACTOR_LAYER = 2
TARGET_LAYER = 3


def random_items(
    seed: int, distribution: str, problems: NDArray[np.int64], candidates: int
) -> NDArray[np.int32]:
    """(problem, candidate) items on the problems' fixed-point grid; 0 where |item| would reach 2.

    Args:
        seed: the source's.
        distribution: "uniform" or "normal" cells, or their "_product" of two.
        problems: numbers of the problems.
        candidates: how many items each has.
    """
    source = Source(seed, Distribution(distribution.removesuffix("_product")))
    rows, columns = problems[:, None], np.arange(candidates)
    values = source.weights(CELL_LAYER, rows, columns)
    if distribution.endswith("_product"):
        values = values * source.weights(FACTOR_LAYER, rows, columns)
    offered = np.where(np.abs(values) < ITEM_LIMIT, values, 0.0)
    return np.rint(offered * 2.0**FRACTION_BITS).astype(np.int32)


def random_targets(question: StatisticsQuestion, problems: NDArray[np.int64]) -> NDArray[np.int32]:
    """(problem,) targets on the same grid."""
    if question.target == "uniform":
        drawn = Source(question.seed).weights(TARGET_LAYER, problems, np.zeros_like(problems))
        return fixed_point_targets(drawn)
    return fixed_point_targets(np.full(problems.size, question.target))
