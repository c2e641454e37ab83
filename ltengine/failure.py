"""How likely a subset-sum problem is to have no solution, and how many candidates avoid that.

The paper's Theorems 2.5, 2.7 and 2.9 say that O(log(1 / min(tolerance, delta))) candidates do, with
an unknown constant. Here the probability is measured (``statistics.table``) and extrapolated:

* in the number n of candidates, log p is a straight line once sums are dense enough, for then only
  an unlucky base set fails: too little reach for a large target, one sign only for a small one. Its
  slope is fitted to the last measured points, less its standard error, and is at most ln 2: all
  candidates are on the wrong side of 0 with probability 2^-n;
* between tolerances log p is linear in log(tolerance), between targets in |target|.

Every measured rate enters as the upper end of its 95 % confidence interval.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ltengine.errors import UnsolvedProblemsError
from ltengine.statistics.measurement import StatisticsRow, wilson_interval
from ltengine.statistics.table import shipped_table

LARGEST_WINDOW = 32
DISJOINT_WINDOWS = 36
"""More candidates than a window are searched in windows of 32, each 12 further on. The first that
shares none with [0, 32) is [36, 68): both fail with probability p(32)^2, so from 32 candidates on
log p is taken to fall by log p(32) every 36. Windows between those two make it fall faster."""
FEWEST_FAILURES = 10
"""A rate measured on fewer is too uncertain to extrapolate from."""
TAIL_POINTS = 5
HIGHEST_TAIL_RATE = 0.7
MOST_CANDIDATES = 400
USUAL_SIZE = 20
SIZE_STEP = 4
"""Spares are offered four at a time, so candidates beyond the base set come in fours."""
HIGHEST_SPARE_RATE = 0.01
TARGETS_PER_UNIT = 256
"""Targets are rounded up to multiples of 1/256 when their probabilities are summed."""


@dataclass(frozen=True, slots=True)
class _Curve:
    """log p for one distribution, tolerance, target and largest subset.

    Attributes:
        candidates: (point,) ascending.
        log_rates: (point,) not ascending.
        slope: -d log p / dn past the last point.
    """

    candidates: NDArray[np.float64]
    log_rates: NDArray[np.float64]
    slope: float

    def log_rate(self, candidates: int) -> float:
        """Log p; fewer candidates than were ever measured count as certain failure."""
        if candidates < self.candidates[0]:
            return 0.0
        within = min(candidates, LARGEST_WINDOW)
        value = float(np.interp(within, self.candidates, self.log_rates))
        value -= self.slope * max(0.0, within - float(self.candidates[-1]))
        return value * (1 + (candidates - within) / DISJOINT_WINDOWS)


def _tail_slope(rows: list[StatisticsRow], failures: NDArray[np.float64]) -> float:
    """Weighted least squares of log(rate) on n, less one standard error."""
    n = np.array([row.question.candidates for row in rows], float)
    trials = np.array([row.trials for row in rows], float)
    fit = (failures >= FEWEST_FAILURES) & (failures <= HIGHEST_TAIL_RATE * trials)
    n, trials, failures = (values[fit][-TAIL_POINTS:] for values in (n, trials, failures))
    if n.size < 2:
        return 0.0
    centred = n - np.average(n, weights=failures)
    spread = float((failures * centred**2).sum())
    slope = -float((failures * centred * np.log(failures / trials)).sum()) / spread
    # a count of failures f has relative standard error f^-1/2
    return float(np.clip(slope - 1 / math.sqrt(spread), 0.0, math.log(2)))


@functools.cache
def _curve(distribution: str, tolerance: float, target: float, largest_subset: int) -> _Curve:
    rows = [
        row
        for row in shipped_table()
        if row.question.distribution == distribution
        and (row.question.tolerance, row.question.target) == (tolerance, target)
    ]
    failures = np.array([row.failures_within(largest_subset) for row in rows], float)
    last = int(np.flatnonzero(failures >= FEWEST_FAILURES)[-1]) + 1
    bounds = [
        wilson_interval(int(f), row.trials)[1]
        for f, row in zip(failures[:last], rows[:last], strict=True)
    ]
    candidates = np.array([row.question.candidates for row in rows[:last]], float)
    falling = np.minimum.accumulate(np.log(bounds))
    return _Curve(candidates, falling, _tail_slope(rows, failures))


@functools.cache
def _grid(distribution: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Tolerances and targets that were measured, ascending."""
    questions = [r.question for r in shipped_table() if r.question.distribution == distribution]
    if not questions:
        raise ValueError(f"no failure statistics for the distribution {distribution!r}")
    tolerances = sorted({question.tolerance for question in questions})
    return tuple(tolerances), tuple(sorted({float(question.target) for question in questions}))


def _interpolate(
    x: NDArray[np.float64], xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Piecewise linear; goes on straight beyond the last point, is flat before the first."""
    slope = (ys[-1] - ys[-2]) / (xs[-1] - xs[-2])
    beyond = np.maximum(0.0, x - xs[-1])
    return np.asarray(np.interp(x, xs, ys) + slope * beyond)


def failure_probability(
    distribution: str,
    candidates: int,
    tolerance: float,
    targets: NDArray[np.float64],
    largest_subset: int,
) -> NDArray[np.float64]:
    """The probability that no subset comes within tolerance, from above.

    Args:
        distribution: of a candidate: "uniform", "uniform_product", ...
        candidates: base set and spares together.
        tolerance: absolute, on the targets' scale.
        targets: any shape; a target of at most the tolerance needs no candidate.
        largest_subset: the most elements of a solution.

    Returns:
        Probabilities of the targets' shape.
    """
    tolerances, sizes = _grid(distribution)
    logs = np.array(
        [
            [_curve(distribution, e, z, largest_subset).log_rate(candidates) for z in sizes]
            for e in tolerances
        ]
    )
    # flat above the largest tolerance, straight on below the smallest: descending -log(tolerance)
    at = np.array([-math.log(tolerance)])
    places = -np.log(tolerances[::-1])
    by_target = np.array([_interpolate(at, places, column)[0] for column in logs[::-1].T])
    magnitudes = np.abs(targets)
    rates = np.exp(np.minimum(0.0, _interpolate(magnitudes, np.array(sizes), by_target)))
    return np.where(magnitudes <= tolerance, 0.0, rates)


@dataclass(frozen=True, slots=True)
class BaseSetChoice:
    """How many candidates each problem gets.

    Attributes:
        size: m, offered first.
        spares: offered to problems that the first m cannot solve.
        expected_unsolved: expected number of problems that none of them solves, from above; by the
            union bound no smaller than the probability that the construction fails.
    """

    size: int
    spares: int
    expected_unsolved: float

    @property
    def candidates(self) -> int:
        """Base set and spares."""
        return self.size + self.spares


@dataclass(frozen=True, slots=True)
class _Union:
    """Targets by rounded size, and how many problems each size has."""

    distribution: str
    tolerance: float
    largest_subset: int
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]

    def expected(self, candidates: int) -> float:
        """Expected number of unsolved problems."""
        rates = failure_probability(
            self.distribution, candidates, self.tolerance, self.targets, self.largest_subset
        )
        return float((rates * self.weights).sum())


def expected_unsolved(
    distribution: str,
    candidates: int,
    tolerance: float,
    targets: NDArray[np.float64],
    problems_per_target: NDArray[np.float64] | float,
    largest_subset: int,
) -> float:
    """The expected number of problems without a solution, from above."""
    union = _gather(distribution, tolerance, targets, problems_per_target, largest_subset)
    return union.expected(candidates)


def _gather(
    distribution: str,
    tolerance: float,
    targets: NDArray[np.float64],
    problems_per_target: NDArray[np.float64] | float,
    largest_subset: int,
) -> _Union:
    magnitudes = np.abs(np.asarray(targets, np.float64)).reshape(-1)
    problems = np.broadcast_to(np.asarray(problems_per_target, float), np.shape(targets))
    posed = magnitudes > tolerance
    rounded = np.ceil(magnitudes[posed] * TARGETS_PER_UNIT) / TARGETS_PER_UNIT
    kinds, place = np.unique(rounded, return_inverse=True)
    weights = np.bincount(place, problems.reshape(-1)[posed], minlength=kinds.size).astype(float)
    return _Union(distribution, tolerance, largest_subset, kinds, weights)


def choose_candidates(
    distribution: str,
    tolerance: float,
    targets: NDArray[np.float64],
    problems_per_target: NDArray[np.float64] | float,
    delta: float,
    largest_subset: int,
) -> BaseSetChoice:
    """The fewest candidates that leave no problem unsolved with probability 1 - delta.

    Args:
        distribution: of a candidate.
        tolerance: absolute, on the targets' scale.
        targets: any shape; after scaling.
        problems_per_target: how often each is posed, for example once for every copy.
        delta: for the union over all these problems.
        largest_subset: the most elements of a solution.

    Raises:
        UnsolvedProblemsError: no number of candidates does, as the statistics go.
    """
    union = _gather(distribution, tolerance, targets, problems_per_target, largest_subset)
    needed = next((n for n in range(1, MOST_CANDIDATES) if union.expected(n) <= delta), None)
    if needed is None:
        raise UnsolvedProblemsError(
            f"no base set of up to {MOST_CANDIDATES} candidates solves every problem with "
            f"probability {1 - delta:g} at tolerance {tolerance:g} with subsets of at most "
            f"{largest_subset}; raise base_set.largest_subset, the tolerance or "
            "failure_probability"
        )
    if needed <= USUAL_SIZE:
        return BaseSetChoice(needed, 0, union.expected(needed))
    problems = max(float(union.weights.sum()), 1.0)
    size = USUAL_SIZE
    while size < LARGEST_WINDOW and union.expected(size) > HIGHEST_SPARE_RATE * problems:
        size += SIZE_STEP
    spares = max(0, needed - size)
    spares = -(-spares // SIZE_STEP) * SIZE_STEP
    return BaseSetChoice(size, spares, union.expected(size + spares))
