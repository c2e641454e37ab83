"""What the benchmarks say about their figures; the figures themselves are not tested."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import page
from benchmarks.__main__ import compare, stage_ratios
from benchmarks.device_page import describe_device
from benchmarks.fresh_process import run_module
from benchmarks.records import read_record
from benchmarks.reference import ReferenceUnusableError, measure
from benchmarks.targets import draw_network

PEERS = {
    "problems_per_second": 1_000_000,
    "brute_force_problems_per_second": 100.0,
    "sums_inspected_per_second": 1_000,
    "bytes_copied_per_second": 1_000,
    "threads": 2,
}


def make_figures(name: str) -> dict[str, Any]:
    return {
        "target_parameters": 100,
        "ticket_parameters": 10,
        "problems": 50,
        "histogram": {"0": 1, "1": 2, "2": 1, "7": 1},
        "seconds": dict.fromkeys(("verify", "evaluate", "certify", "search", "write"), 1.0)
        | {"load": 0.1, "construct": 2.0},
        "peak_memory": 1,
        "accuracy": None,
        "name": name,
    }


@pytest.fixture
def recorded() -> dict[str, Any]:
    names = ["lenet-relu L+1", "lenet-relu 2L", "pensia_fc2 2L"]
    return {
        "machine": {"machine": "a", "date": "b", "commit": "c"},
        "peers": PEERS,
        "reference": None,
        "solver": None,
        "real": {name: make_figures(name) for name in names},
        "drawn": {f"drawn {size}": make_figures("") for size in (1, 2)},
    }


def test_a_slower_stage_is_flagged_and_a_slower_machine_is_not(
    recorded: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    slower_machine = copy.deepcopy(recorded)
    for group in ("real", "drawn"):
        for figures in slower_machine[group].values():
            figures["seconds"] = {stage: 3 * s for stage, s in figures["seconds"].items()}
    for rate in ("problems_per_second", "brute_force_problems_per_second"):
        slower_machine["peers"] = {**slower_machine["peers"], rate: PEERS[rate] / 3}
    assert compare(slower_machine, recorded)
    assert "REGRESSION" not in capsys.readouterr().out

    slower_stage = copy.deepcopy(recorded)
    slower_stage["real"]["lenet-relu 2L"]["seconds"]["verify"] = 1.3
    assert not compare(slower_stage, recorded)
    flagged = [line for line in capsys.readouterr().out.splitlines() if "REGRESSION" in line]
    assert len(flagged) == 1
    assert flagged[0].startswith("lenet-relu 2L, verify")


def test_stages_that_are_too_short_are_not_compared(recorded: dict[str, Any]) -> None:
    recorded["real"]["lenet-relu 2L"]["seconds"]["verify"] = 0.001

    assert "lenet-relu 2L, verify" not in stage_ratios(recorded)


def test_the_floor_counts_the_subsets_up_to_the_smallest_solution() -> None:
    # 2 problems see 5 subsets, one 5 + 10, one 5 + 10 + 10 + 5
    assert page.least_seconds(make_figures(""), PEERS, candidates=5) == (10 + 15 + 30) / 1_000


def test_the_page_says_what_was_not_run(
    recorded: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    line = {
        "distribution": "uniform",
        "candidates": 28,
        "tolerance": 1e-6,
        "largest_subset": 28,
        "problems": 32,
        "unsolved": 3,
        "problems_per_second": 5.0,
        "core_microseconds_per_problem": 4e5,
        "brute_force_problems_per_second": None,
        "enumeration_roofline_problems_per_second": 1.0,
    }
    recorded["solver"] = {"grid": [line]}

    page.write_page(recorded)

    text = (tmp_path / "RESULTS.md").read_text()
    assert "not run here" in text
    assert "100,000,000 (extrapolated)" in text
    assert "| uniform | 28 | 1e-06 | 28 | 5 | 400,000.00 | 3 of 32 | - | 1 |" in text


def test_the_page_says_where_a_device_differed() -> None:
    device = read_record("recorded_device")
    assert device is not None
    assert "the same digests" in "".join(describe_device(device))

    device["growth"][0]["same"] = False

    assert "IN 1 OF 11 COMPARISONS" in "".join(describe_device(device))


@pytest.mark.parametrize("parameters", [30_000, 100_000])
def test_a_drawn_target_has_the_size_asked_for(parameters: int) -> None:
    network = draw_network(parameters)

    assert network.parameters == pytest.approx(parameters, rel=0.05)
    assert network.digest() == draw_network(parameters).digest()


@pytest.mark.slow
def test_a_drawn_target_is_constructed_and_verified_in_a_process_of_its_own() -> None:
    figures = run_module("benchmarks.drawn_target", "10000")

    assert figures["largest_parameter_error"] <= 0.01
    assert figures["problems"] == sum(figures["histogram"].values())
    assert 0 < figures["stage_memory"]["construct"] <= figures["peak_memory"]
    assert figures["searched_largest_error"] <= figures["certified_largest_error"]
    with pytest.raises(RuntimeError, match="drawn_target nothing failed"):
        run_module("benchmarks.drawn_target", "nothing")


def _reference(folder: Path, source: str) -> Path:
    (folder / "Utils").mkdir()
    (folder / "Utils" / "pruning.py").write_text(source)
    return folder


def test_a_reference_that_can_be_called_is_timed(tmp_path: Path) -> None:
    source = "def solve_subset_sum(target, nbrVar, eps, addwidth):\n    return target\n"

    assert measure(_reference(tmp_path, source), sys.executable)["problems_per_second"] > 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def solve_subset_sum(target):\n    return target\n", "takes"),
        ("import a_module_that_is_absent\n", "a_module_that_is_absent"),
        ("\n", "cannot import name"),
    ],
)
def test_a_reference_of_another_shape_is_refused(tmp_path: Path, source: str, message: str) -> None:
    with pytest.raises(ReferenceUnusableError, match=message):
        measure(_reference(tmp_path, source), sys.executable)


def test_a_folder_that_is_no_reference_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReferenceUnusableError, match="not a checkout"):
        measure(tmp_path, sys.executable)
