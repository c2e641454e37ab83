"""The shipped table: failures and sizes over a grid of questions, from which widths are planned.

``ltforge statistics --table FILE`` measures it anew; the same seed gives the same file.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Iterator
from importlib import resources

from ltengine.problem import Solver
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel
from ltengine.statistics.measurement import StatisticsRow, measure
from ltengine.statistics.question import Distribution, StatisticsQuestion

TABLE_NAME = "failure_statistics.json"
TABLE_FORMAT = 1
TABLE_SEED = 20220511

DISTRIBUTIONS: tuple[Distribution, ...] = (
    "uniform",
    "uniform_product",
    "normal",
    "normal_product",
)
TRIALS = {1e-2: 20_000, 1e-3: 20_000, 1e-4: 10_000, 1e-5: 4_000, 1e-6: 1_000}
"""For each tolerance; tight ones cost more a problem, and fail rarely once they can be met."""
TARGETS = (0.05, 0.25, 0.5, 1.0, 1.5, 2.0)
CANDIDATES = tuple(range(8, 33, 2))
ENOUGH_CANDIDATES_FAILURES = 3
"""Once no more problems than this fail, larger base sets are left to extrapolation."""
USUAL_LARGEST_SUBSET = 10


def _trials(tolerance: float, candidates: int) -> int:
    return min(TRIALS[tolerance], 1 << (28 - candidates // 2))


def _measure_curve(
    distribution: Distribution,
    tolerance: float,
    target: float,
    measured: Callable[..., StatisticsRow],
) -> Iterator[StatisticsRow]:
    for candidates in CANDIDATES:
        row = measured(
            StatisticsQuestion(
                distribution=distribution,
                candidates=candidates,
                tolerance=tolerance,
                target=target,
                trials=_trials(tolerance, candidates),
                seed=TABLE_SEED,
            )
        )
        yield row
        if row.failures_within(USUAL_LARGEST_SUBSET) <= ENOUGH_CANDIDATES_FAILURES:
            return


def measure_table(
    solver: Solver | None = None,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> Iterator[StatisticsRow]:
    """The rows of the table, a curve of growing base sets for each distribution, tolerance, target.

    Raises:
        Canceled: ``cancel`` said so.
    """

    def measured(question: StatisticsQuestion) -> StatisticsRow:
        return measure(question, solver, cancel=cancel)

    curves = [(d, e, z) for d in DISTRIBUTIONS for e in TRIALS for z in TARGETS]
    for done, (distribution, tolerance, target) in enumerate(curves):
        progress("statistics", done, len(curves))
        yield from _measure_curve(distribution, tolerance, target, measured)
    progress("statistics", len(curves), len(curves))


def write_table(rows: Iterable[StatisticsRow]) -> str:
    """The table as JSON text, one row a line."""
    lines = [
        json.dumps(
            [
                row.question.distribution,
                row.question.tolerance,
                row.question.target,
                row.question.candidates,
                row.trials,
                row.failures,
                list(row.histogram),
                float(f"{row.mean_error:.6g}"),
            ]
        )
        for row in rows
    ]
    head = f'{{"format": {TABLE_FORMAT}, "seed": {TABLE_SEED}, "rows": [\n'
    return head + ",\n".join(lines) + "\n]}\n"


def read_table(text: str) -> tuple[StatisticsRow, ...]:
    """What ``write_table`` wrote."""
    document = json.loads(text)
    rows = []
    for distribution, tolerance, target, candidates, trials, failures, histogram, error in document[
        "rows"
    ]:
        question = StatisticsQuestion(
            distribution=distribution,
            candidates=candidates,
            tolerance=tolerance,
            target=target,
            trials=trials,
            seed=document["seed"],
        )
        rows.append(StatisticsRow(question, failures, tuple(histogram), error))
    return tuple(rows)


@functools.cache
def shipped_table() -> tuple[StatisticsRow, ...]:
    """The table that comes with the package."""
    package = resources.files("ltengine.statistics")
    return read_table(package.joinpath(TABLE_NAME).read_text(encoding="utf-8"))
