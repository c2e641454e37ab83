"""Replicates: which seeds they have, and what is reported of all of them."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import JobKind, JobRequest
from service.domain.intervals import student_quantile, summarise
from service.domain.replicates import report_replicates

# Two-sided 95 % points as printed tables have them.
PRINTED = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 9: 2.262, 29: 2.045, 60: 2.000, 99: 1.984}
NUMBERS = st.floats(-1e6, 1e6)


@pytest.mark.parametrize(("freedom", "printed"), PRINTED.items())
def test_the_quantiles_are_those_of_printed_tables(freedom: int, printed: float) -> None:
    assert student_quantile(freedom) == pytest.approx(printed, abs=5e-4)


@given(st.lists(NUMBERS, min_size=2, max_size=30))
def test_the_interval_lies_around_the_mean_by_the_standard_error(values: list[float]) -> None:
    summary = summarise(values)

    low, high = summary["interval"]
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = student_quantile(len(values) - 1) * error
    assert summary["mean"] == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert (high - low) / 2 == pytest.approx(half, rel=1e-6, abs=1e-6)


def test_one_value_has_no_interval() -> None:
    assert summarise([3.0]) == {"mean": 3.0, "interval": None}


@given(seed=st.integers(0, 2**64 - 1), replicates=st.integers(2, 100))
def test_the_seeds_follow_each_other_and_begin_anew_after_the_last(
    seed: int, replicates: int
) -> None:
    spec = {"construction": "2L", "source": {"seed": seed, "depth": None}, "replicates": replicates}

    single = JobRequest(JobKind.CONSTRUCT, spec, "ckp", priority=3).single()

    seeds = [request.spec["source"]["seed"] for request in single]
    assert seeds == [(seed + number) % 2**64 for number in range(replicates)]
    assert {request.spec["replicates"] for request in single} == {1}
    assert {request.priority for request in single} == {3}


def test_every_number_of_the_reports_is_summarised_and_nothing_else() -> None:
    def report(parameters: int, accuracy: float, ratio: float | None) -> dict[str, object]:
        return {
            "target": {"parameters": 10},
            "ticket": {"digest": f"d{parameters}", "parameters": parameters},
            "error": {"certified": 0.5, "ratio": ratio},
            "subset_size": {"mean": 3.0, "histogram": {"1": parameters}},
            "accuracy": {"ticket": accuracy},
            "device": "cpu",
        }

    merged = report_replicates(
        [report(10, 0.5, None), report(14, 0.7, 2.0)], [{"seed": 0}, {"seed": 1}]
    )

    assert merged["replicates"] == 2
    assert merged["target"] == {"parameters": 10}
    assert set(merged["ticket"]) == {"parameters"}
    assert merged["ticket"]["parameters"]["mean"] == 12
    assert merged["ticket"]["parameters"]["interval"] == pytest.approx(
        [12 - 12.7062 * 2, 12 + 12.7062 * 2], abs=1e-3
    )
    assert merged["error"] == {"certified": {"mean": 0.5, "interval": [0.5, 0.5]}}
    assert set(merged["subset_size"]) == {"mean"}
    assert merged["accuracy"]["ticket"]["mean"] == pytest.approx(0.6)
    assert merged["tickets"] == [{"seed": 0}, {"seed": 1}]


def test_without_a_data_set_there_are_no_accuracies() -> None:
    assert report_replicates([{"accuracy": None}] * 2, [])["accuracy"] is None
