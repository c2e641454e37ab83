"""Sweeps: which specs they make, and how their results are grouped."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import BatchLine, JobStatus, count_points, expand_sweep, group_lines, read_field

PATHS = st.sampled_from(["a", "b.c", "b.d", "e.f.g"])
SWEEPS = st.dictionaries(PATHS, st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True))


@given(SWEEPS)
def test_every_combination_is_made_once_and_the_rest_of_the_base_stays(
    sweep: dict[str, list[int]],
) -> None:
    base = {"a": -1, "b": {"c": -2, "d": -3}, "other": {"kept": True}}

    made = list(expand_sweep(base, sweep))

    assert len(made) == count_points(sweep) == math.prod(map(len, sweep.values()))
    assert len({repr(sorted(point.items())) for point, _ in made}) == len(made)
    for point, spec in made:
        assert spec["other"] == {"kept": True}
        for path, value in point.items():
            assert read_field(spec, path) == value
        for path in {"a", "b.c", "b.d"} - point.keys():
            assert read_field(spec, path) == read_field(base, path)
    assert base == {"a": -1, "b": {"c": -2, "d": -3}, "other": {"kept": True}}


def test_nothing_lies_inside_what_is_no_object() -> None:
    with pytest.raises(ValueError, match=r"base_set\.size|size"):
        list(expand_sweep({"base_set": "auto"}, {"base_set.size": [1]}))


def line(number: int, tolerance: float, parameters: int | None) -> BatchLine:
    report: dict[str, Any] | None = None
    if parameters is not None:
        report = {"ticket": {"parameters": parameters}, "accuracy": None}
    status = JobStatus.FAILED if parameters is None else JobStatus.SUCCEEDED
    spec = {"tolerance": {"parameter": tolerance}, "source": {"seed": number}}
    return BatchLine(f"job_{number}", status, spec, report, None, None)


def test_lines_are_grouped_over_seeds() -> None:
    lines = [line(0, 0.1, 10), line(1, 0.1, 20), line(2, 0.2, 7), line(3, 0.1, None)]

    first, second = group_lines(lines, ["tolerance.parameter", "source.seed"])

    assert first["spec"] == {"tolerance.parameter": 0.1}
    assert (first["jobs"], first["succeeded"]) == (3, 2)
    assert first["metrics"]["parameters"]["mean"] == 15
    assert first["metrics"]["accuracy"] is None
    assert second["metrics"]["parameters"] == {"mean": 7, "interval": None}
