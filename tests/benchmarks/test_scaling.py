"""The simulation: what must hold of any queue, and that its figures repeat."""

from __future__ import annotations

import pytest

from benchmarks.scaling import Kind, Simulation, scenarios

KIND = Kind("small", 0.5, ((1.0,) * 4, (2.0,) * 8), ((), ()), (0.25, 3.0))
CHECKED = Kind("checked", 0.5, ((1.0,), (1.0,), ()), ((5.0,), (), ()), (0.25, 0.25, 3.0))


def test_one_worker_takes_the_sum_of_everything() -> None:
    steps = 1 + 12 + 2

    assert Simulation([KIND], 1, 0.0).run() == pytest.approx(KIND.work)
    assert Simulation([KIND] * 3, 1, 0.1).run() == pytest.approx(3 * (KIND.work + 2 * 0.1 * steps))


def test_waves_and_merges_wait_for_all_before_them() -> None:
    """Plan, one shard of each wave, and both merges remain, however many workers there are."""
    assert Simulation([KIND], 1000, 0.0).run() == pytest.approx(0.5 + 1.0 + 0.25 + 2.0 + 3.0)


def test_what_is_free_holds_up_the_last_merge_alone() -> None:
    """Five seconds beside waves and merges of two and a half."""
    assert Simulation([CHECKED], 1, 0.0).run() == pytest.approx(CHECKED.work)
    assert Simulation([CHECKED], 2, 0.0).run() == pytest.approx(0.5 + 5.0 + 3.0)


def test_a_database_that_is_slow_bounds_what_workers_can_do() -> None:
    steps = 15

    assert Simulation([KIND] * 50, 1000, 1.0).run() >= 50 * steps * 2


def test_tables_repeat_to_the_last_bit() -> None:
    first = scenarios()

    assert scenarios() == first
    assert all(rows[0][2] == 1.0 for rows in first.values())
