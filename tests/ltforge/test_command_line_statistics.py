"""``ltforge statistics`` and ``ltforge estimate`` as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ltforge.test_command_line_engine import run_command, save_network

SPEC = '{"construction": "L+1", "activation": {"name": "relu"}}'


def test_statistics_answers_a_question_in_json() -> None:
    answer = run_command(
        "statistics",
        *("--distribution", "uniform_product", "--candidates", "12", "--tolerance", "0.01"),
        *("--target", "0.5", "--trials", "400", "--json"),
    )

    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    assert document["trials"] == 400
    assert sum(document["histogram"].values()) + document["failures"] == 400
    assert "statistics ..." in answer.stderr


def test_statistics_prints_a_table_for_people() -> None:
    answer = run_command("statistics", "--trials", "50")

    assert answer.returncode == 0, answer.stderr
    assert "failure_rate" in answer.stdout
    assert "mean_size" in answer.stdout


@pytest.mark.parametrize(
    ("option", "value", "pointer"),
    [("--distribution", "cauchy", "/distribution"), ("--target", "large", "/target")],
)
def test_a_wrong_question_is_named(option: str, value: str, pointer: str) -> None:
    answer = run_command("statistics", option, value, "--json")

    assert answer.returncode == 1
    assert pointer in json.loads(answer.stdout)["error"]["detail"]


def test_a_table_has_a_place_to_go_before_minutes_are_spent(tmp_path: Path) -> None:
    answer = run_command("statistics", "--table", tmp_path / "absent" / "table.json", "--json")

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["error"]["code"] == "FOLDER_NOT_FOUND"


def test_estimate_reports_parameters_with_their_interval(tmp_path: Path) -> None:
    network = save_network(tmp_path / "network.safetensors", (6, 5, 3))

    answer = run_command("estimate", network, "--spec", SPEC, "--replicates", "2", "--json")

    assert answer.returncode == 0, answer.stderr
    document = json.loads(answer.stdout)
    low, high = document["ticket"]["parameters"]["interval"]
    assert low < document["ticket"]["parameters"]["mean"] < high
    assert document["accuracy"] is None
    assert document["problems"]["expected_unsolved"] < 0.01


def test_estimate_names_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    answer = run_command("estimate", tmp_path / "absent", "--spec", SPEC, "--json")

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["error"]["code"] == "FILE_NOT_FOUND"
