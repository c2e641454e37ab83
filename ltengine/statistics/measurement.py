"""Solving many random problems, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.errors import Canceled
from ltengine.problem import (
    FRACTION_BITS,
    NO_CHOICE,
    UNSOLVED,
    ProblemBatch,
    SolutionBatch,
    Solver,
    fixed_point_tolerance,
)
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.solvers.cascade import CascadeSolver
from ltengine.statistics.question import StatisticsQuestion
from ltengine.statistics.random_problems import random_items, random_targets

LARGEST_CHUNK = 8192
SMALLEST_CHUNK = 64
QUICK_CANDIDATES = 16
"""Beyond these a hard problem's cost doubles with every other candidate, so chunks get smaller."""
NORMAL_QUANTILE = 1.96


def wilson_interval(events: int, trials: int) -> tuple[float, float]:
    """The 95 % confidence interval of a probability, given how often its event was seen.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    z2 = NORMAL_QUANTILE**2
    centre = (events + z2 / 2) / (trials + z2)
    spread = math.sqrt(events * (trials - events) / trials + z2 / 4) * NORMAL_QUANTILE
    half = spread / (trials + z2)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, slots=True)
class StatisticsRow:
    """The answer to a question.

    Attributes:
        question: what was asked.
        failures: problems without a solution.
        histogram: solved problems by the number of elements of their smallest solution.
        mean_error: mean |sum - target| of the solved problems.
    """

    question: StatisticsQuestion
    failures: int
    histogram: tuple[int, ...]
    mean_error: float

    @property
    def trials(self) -> int:
        """Problems solved or not."""
        return self.question.trials

    @property
    def mean_size(self) -> float:
        """Mean number of elements of a solution."""
        elements = sum(size * count for size, count in enumerate(self.histogram))
        return elements / max(1, sum(self.histogram))

    def failures_within(self, largest_subset: int) -> int:
        """Problems without a solution of at most so many elements."""
        return self.failures + sum(self.histogram[largest_subset + 1 :])

    def to_document(self) -> dict[str, Any]:
        """As JSON data; ``constant`` is C of n >= C log(1 / min(tolerance, failure rate))."""
        rate = self.failures / self.trials
        least = min(self.question.tolerance, rate) if rate else self.question.tolerance
        largest = max((size for size, count in enumerate(self.histogram) if count), default=0)
        return {
            **self.question.model_dump(mode="json"),
            "failures": self.failures,
            "failure_rate": rate,
            "failure_interval": list(wilson_interval(self.failures, self.trials)),
            "histogram": {str(size): self.histogram[size] for size in range(largest + 1)},
            "mean_size": self.mean_size,
            "mean_error": self.mean_error,
            "constant": self.question.candidates / -math.log(least) if least < 1 else None,
        }


def chosen_items(items: NDArray[np.int32], solutions: SolutionBatch) -> NDArray[np.int64]:
    """(problem, element) the items of each solution, 0 past its size."""
    used = solutions.choices != NO_CHOICE
    places = np.where(used, solutions.choices, 0).astype(np.int64)
    picked = np.take_along_axis(items.astype(np.int64), places, 1)
    return np.asarray(np.where(used, picked, 0), np.int64)


def _chunk_size(candidates: int) -> int:
    return max(SMALLEST_CHUNK, LARGEST_CHUNK >> max(0, candidates - QUICK_CANDIDATES))


def measure(
    question: StatisticsQuestion,
    solver: Solver | None = None,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> StatisticsRow:
    """Solve ``question.trials`` random problems exactly.

    Raises:
        Canceled: ``cancel`` said so; it is asked before each chunk of problems.
    """
    solver = solver or CascadeSolver()
    most = question.most_elements
    tolerance = fixed_point_tolerance(question.tolerance, most)
    histogram = np.zeros(most + 1, np.int64)
    error = 0
    for first in range(0, question.trials, _chunk_size(question.candidates)):
        if cancel():
            raise Canceled
        last = min(first + _chunk_size(question.candidates), question.trials)
        problems = np.arange(first, last)
        items = random_items(question.seed, question.distribution, problems, question.candidates)
        targets = random_targets(question, problems)
        counts = np.full(problems.size, question.candidates)
        solutions = solver.solve(ProblemBatch(items, counts, targets, tolerance, most))
        solved = solutions.sizes != UNSOLVED
        histogram += np.bincount(solutions.sizes[solved], minlength=most + 1)
        error += int(np.abs(chosen_items(items, solutions).sum(axis=1) - targets)[solved].sum())
        progress("statistics", last, question.trials)
    found = int(histogram.sum())
    return StatisticsRow(
        question,
        question.trials - found,
        tuple(int(count) for count in histogram),
        error / max(1, found) / 2.0**FRACTION_BITS,
    )
