"""Random subset-sum problems: measured rates and sizes against figures known from elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from ltengine.cell_kernel import draw_items
from ltengine.errors import Canceled, SpecificationError
from ltengine.problem import FRACTION_BITS
from ltengine.solvers.meet_in_the_middle import MeetInTheMiddleSolver
from ltengine.source import Source
from ltengine.statistics.measurement import measure, wilson_interval
from ltengine.statistics.question import Distribution, StatisticsQuestion, parse_question
from ltengine.statistics.random_problems import CELL_LAYER, random_items
from ltengine.statistics.table import read_table, shipped_table, write_table

TRIALS = 10_000
NEVER = 3 / TRIALS

# (distribution, candidates, tolerance, target, failure rate) of an independent exact measurement
KNOWN_RATES = [
    ("uniform", 10, 0.01, "uniform", 0.079),
    ("uniform", 15, 0.01, "uniform", 0.0043),
    ("uniform", 10, 0.001, "uniform", 0.58),
    ("uniform", 15, 0.001, "uniform", 0.026),
    ("uniform", 15, 0.01, 0.5, 0.0030),
    ("uniform", 15, 0.01, 1.5, 0.043),
    ("uniform_product", 10, 0.01, "uniform", 0.17),
    ("uniform_product", 15, 0.01, "uniform", 0.034),
    ("uniform_product", 15, 0.001, "uniform", 0.057),
    ("uniform_product", 15, 0.01, 1.0, 0.13),
    ("uniform_product", 20, 0.01, 1.5, 0.13),
]
# (distribution, candidates, tolerance, mean size), targets uniform
KNOWN_SIZES = [
    ("uniform", 10, 0.01, 2.89),
    ("uniform", 15, 0.01, 2.31),
    ("uniform", 20, 0.01, 2.05),
    ("uniform", 15, 0.001, 4.0),
    ("uniform", 20, 0.001, 3.27),
    ("uniform_product", 15, 0.01, 2.40),
    ("uniform_product", 20, 0.01, 2.16),
    ("uniform_product", 20, 0.001, 3.2),
]
# sizes 0 to 6 of 100,000 solutions, m = 15, tolerance .01, as the paper's own code found them
REFERENCE_SIZES = np.array([1033, 13713, 44922, 35783, 4101, 377, 54]) / 100_000


@pytest.mark.parametrize(("distribution", "candidates", "tolerance", "target", "rate"), KNOWN_RATES)
def test_the_failure_rate_is_the_known_one(
    distribution: Distribution, candidates: int, tolerance: float, target: float | str, rate: float
) -> None:
    row = measure(
        parse_question(
            {
                "distribution": distribution,
                "candidates": candidates,
                "tolerance": tolerance,
                "target": target,
                "trials": TRIALS,
            }
        )
    )

    noise = 4 * np.sqrt(rate * (1 - rate) / TRIALS)
    assert row.failures / TRIALS == pytest.approx(rate, abs=noise + 0.06 * rate)


@pytest.mark.parametrize(("distribution", "candidates", "tolerance", "size"), KNOWN_SIZES)
def test_the_mean_size_is_the_known_one(
    distribution: Distribution, candidates: int, tolerance: float, size: float
) -> None:
    row = measure(
        StatisticsQuestion(
            distribution=distribution, candidates=candidates, tolerance=tolerance, trials=TRIALS
        )
    )

    assert row.mean_size == pytest.approx(size, abs=0.06)
    assert 0.3 * tolerance < row.mean_error < 0.52 * tolerance


def test_the_histogram_is_that_of_the_published_code() -> None:
    row = measure(StatisticsQuestion(candidates=15, trials=20_000))

    shares = np.array(row.histogram[:7]) / row.trials

    assert shares == pytest.approx(REFERENCE_SIZES, abs=0.015)


def test_items_are_the_source_s_own_cells() -> None:
    problems = np.arange(7)

    items = random_items(3, "uniform", problems, 12)

    same = draw_items(
        Source(3),
        CELL_LAYER,
        problems,
        np.zeros(7, np.int64),
        np.arange(12)[None, :],
        np.ones((1, 12)),
        np.array([12]),
        FRACTION_BITS,
    )
    assert (items == same).all()


@pytest.mark.parametrize("distribution", ["uniform", "uniform_product", "normal_product"])
def test_more_candidates_never_solve_fewer_of_the_same_problems(distribution: Distribution) -> None:
    failures = [
        measure(
            StatisticsQuestion(distribution=distribution, candidates=m, target=1.0, trials=1500)
        ).failures
        for m in range(6, 16)
    ]

    assert failures == sorted(failures, reverse=True)


def test_the_limit_on_sizes_can_be_read_off_the_histogram() -> None:
    anything = measure(StatisticsQuestion(candidates=14, tolerance=0.001, trials=2000))
    limited = measure(
        StatisticsQuestion(candidates=14, tolerance=0.001, trials=2000, largest_subset=4)
    )

    assert limited.failures == pytest.approx(anything.failures_within(4), abs=2)
    assert limited.histogram == pytest.approx(anything.histogram[:5], abs=2)


def test_an_answer_depends_on_the_seed_alone() -> None:
    question = StatisticsQuestion(candidates=12, trials=3000, target=0.7)

    assert measure(question) == measure(question, MeetInTheMiddleSolver())
    assert measure(question) != measure(question.model_copy(update={"seed": 1}))


def test_a_measurement_can_be_watched_and_canceled() -> None:
    seen: list[tuple[str, int, int]] = []
    measure(StatisticsQuestion(trials=100), progress=lambda *step: seen.append(step))
    assert seen == [("statistics", 100, 100)]

    with pytest.raises(Canceled):
        measure(StatisticsQuestion(trials=100), cancel=lambda: True)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("distribution", "cauchy"),
        ("candidates", 33),
        ("target", 9.0),
        ("target", "largest"),
        ("trials", 0),
        ("color", "red"),
    ],
)
def test_a_wrong_question_is_refused_by_its_field(field: str, value: object) -> None:
    with pytest.raises(SpecificationError) as raised:
        parse_question({field: value})

    assert {problem["pointer"] for problem in raised.value.problems} == {f"/{field}"}


def test_a_document_has_what_a_reader_needs() -> None:
    document = measure(StatisticsQuestion(candidates=10, trials=500)).to_document()

    low, high = document["failure_interval"]
    assert low < document["failure_rate"] < high
    assert sum(document["histogram"].values()) + document["failures"] == 500
    assert document["constant"] == pytest.approx(10 / np.log(100), rel=0.5)


def test_the_interval_is_honest_about_events_never_seen() -> None:
    assert wilson_interval(0, 1000)[0] == 0.0
    assert 0.003 < wilson_interval(0, 1000)[1] < 0.005
    assert wilson_interval(50, 100) == pytest.approx((0.404, 0.596), abs=0.001)


def test_the_shipped_table_is_what_the_engine_measures() -> None:
    """The cheap rows again; all of them would take minutes."""
    cheap = [r for r in shipped_table() if r.question.candidates == 8 and r.trials <= 4000]

    assert len(cheap) >= 20
    for row in cheap[::3]:
        again = measure(row.question)
        assert (again.failures, again.histogram) == (row.failures, row.histogram)
        assert again.mean_error == pytest.approx(row.mean_error, rel=1e-5)


def test_a_table_reads_back_as_it_was_written() -> None:
    rows = shipped_table()[:5]

    assert read_table(write_table(rows)) == rows
