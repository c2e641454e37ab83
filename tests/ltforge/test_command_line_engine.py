"""The command with the real engine: reports, verdicts, exit statuses, and a clean Ctrl-C."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2]
SPEC = {
    "construction": "L+1",
    "activation": {"name": "relu"},
    "base_set": {"size": 16, "largest_subset": 6},
}
REPORT = {
    "target": {"parameters", "layers"},
    "ticket": {"digest", "parameters", "file_bytes", "neurons"},
    "source": {"widths", "parameters"},
    "error": {"largest_parameter", "certified", "observed"},
    "subset_size": {"mean", "histogram"},
    "problems": {"total", "unsolved", "spare_used"},
    "accuracy": {"target", "ticket", "agreement"},
    "seconds": {"load", "construct", "verify", "evaluate", "total"},
}


def run_command(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ltforge", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def save_network(path: Path, widths: tuple[int, ...]) -> Path:
    generator = np.random.default_rng(5)
    tensors: dict[str, NDArray[np.float32]] = {}
    for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        weight = generator.normal(0, 0.4, (outputs, inputs)).astype(np.float32)
        tensors[f"{2 * index}.weight"] = weight
        tensors[f"{2 * index}.bias"] = generator.normal(0, 0.1, outputs).astype(np.float32)
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network, a data set, and a ticket of the one evaluated on the other."""
    place = tmp_path_factory.mktemp("offline")
    network = save_network(place / "network.safetensors", (6, 5, 3))
    generator = np.random.default_rng(6)
    x = generator.uniform(0, 1, (50, 6)).astype(np.float32)
    np.savez(place / "data.npz", x=x, y=generator.integers(0, 3, 50))
    (place / "spec.json").write_text(json.dumps(SPEC))

    answer = run_command(
        *("construct", network, "--spec", place / "spec.json", "--dataset", place / "data.npz"),
        *("--out", place / "ticket.safetensors", "--threads", "1", "--json"),
    )

    assert answer.returncode == 0, answer.stderr
    (place / "stdout").write_text(answer.stdout)
    (place / "stderr").write_text(answer.stderr)
    return place


def test_a_construction_reports_on_stdout_and_shows_progress_on_stderr(folder: Path) -> None:
    lines = (folder / "stdout").read_text().splitlines()
    report = json.loads(lines[0])

    assert len(lines) == 1
    for part, names in REPORT.items():
        assert names <= set(report[part]), part
    assert report["problems"]["unsolved"] == 0
    assert report["device"] == "cpu"
    assert report["ticket"]["file_bytes"] == (folder / "ticket.safetensors").stat().st_size
    assert "construct" in (folder / "stderr").read_text()


def test_spec_from_stdin_or_inline_gives_the_same_ticket(folder: Path, tmp_path: Path) -> None:
    first = json.loads((folder / "stdout").read_text())

    for spec, stdin in (("-", json.dumps(SPEC)), (json.dumps(SPEC), "")):
        out = tmp_path / "ticket.safetensors"
        answer = run_command(
            *("construct", folder / "network.safetensors", "--spec", spec, "--out", out, "--json"),
            stdin=stdin,
        )

        assert json.loads(answer.stdout)["ticket"]["digest"] == first["ticket"]["digest"]
        assert out.read_bytes() == (folder / "ticket.safetensors").read_bytes()


def test_without_json_the_report_is_a_table(folder: Path, tmp_path: Path) -> None:
    answer = run_command(
        *("construct", folder / "network.safetensors", "--spec", folder / "spec.json"),
        *("--out", tmp_path / "ticket.safetensors", "--dataset", folder / "data.npz"),
    )

    assert answer.returncode == 0, answer.stderr
    assert "largest parameter error" in answer.stdout
    assert "ticket accuracy" in answer.stdout


def test_a_true_ticket_is_valid(folder: Path) -> None:
    ticket, network = folder / "ticket.safetensors", folder / "network.safetensors"

    told = run_command("verify", ticket, network)
    answer = run_command("verify", ticket, network, "--json")

    assert told.returncode == answer.returncode == 0
    assert told.stdout.startswith("valid: largest parameter error 0.00")
    verdict = json.loads(answer.stdout)
    assert (verdict["valid"], verdict["reasons"]) == (True, [])
    assert 0 < verdict["largest_parameter_error"] <= 0.01


def test_a_false_ticket_is_exit_status_1_with_the_reasons(folder: Path, tmp_path: Path) -> None:
    other = save_network(tmp_path / "other.safetensors", (6, 4, 3))
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((folder / "ticket.safetensors").read_bytes()[:-5])

    for ticket, network in (
        (folder / "ticket.safetensors", other),
        (cut, folder / "network.safetensors"),
    ):
        told = run_command("verify", ticket, network)
        answer = run_command("verify", ticket, network, "--json")

        assert told.returncode == answer.returncode == 1
        verdict = json.loads(answer.stdout)
        assert verdict["valid"] is False
        assert verdict["reasons"]
        assert verdict["reasons"][0] in told.stdout


def test_a_plan_is_made_without_a_ticket(folder: Path) -> None:
    before = sorted(folder.iterdir())

    told = run_command("plan", folder / "network.safetensors", "--spec", json.dumps(SPEC))
    answer = run_command(
        "plan", folder / "network.safetensors", "--spec", "-", "--json", stdin=json.dumps(SPEC)
    )

    assert told.returncode == answer.returncode == 0
    assert json.loads(answer.stdout)["source"]["widths"][0] == 6
    assert "source.widths" in told.stdout
    assert sorted(folder.iterdir()) == before


def test_a_file_that_is_no_checkpoint_is_named_and_leaves_nothing(
    folder: Path, tmp_path: Path
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a network")

    answer = run_command(
        *("construct", text, "--spec", json.dumps(SPEC), "--out", tmp_path / "t", "--json")
    )

    assert answer.returncode == 1
    error = json.loads(answer.stdout)["error"]
    assert error["code"].isupper()
    assert error["detail"] in answer.stderr
    assert list(tmp_path.iterdir()) == [text]


def test_ctrl_c_ends_a_construction_cleanly(tmp_path: Path) -> None:
    network = save_network(tmp_path / "large.safetensors", (784, 600, 600, 10))
    out = tmp_path / "ticket.safetensors"
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "ltforge",
            "construct",
            network,
            "--spec",
            json.dumps(SPEC),
            "--out",
            out,
            "--json",
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("construct"):
                break
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)

    assert process.returncode == 130, stderr
    assert json.loads(stdout)["error"]["code"] == "CANCELED"
    assert "Traceback" not in stderr
    assert list(tmp_path.iterdir()) == [network]


@pytest.mark.parametrize("form", ["state_dict", "sparse_safetensors", "npz", "onnx"])
def test_a_ticket_is_exported(folder: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / "export"

    answer = run_command(
        *("export", folder / "ticket.safetensors", "--format", form, "--out", out, "--json")
    )

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["bytes"] == out.stat().st_size


def test_an_unknown_format_is_refused_by_name(folder: Path, tmp_path: Path) -> None:
    answer = run_command(
        *("export", folder / "ticket.safetensors", "--format", "gif", "--out", tmp_path / "x")
    )

    assert answer.returncode != 0
    assert "UNKNOWN_FORMAT" in answer.stderr


def test_a_ticket_compared_with_itself_overlaps_wholly(folder: Path) -> None:
    ticket = folder / "ticket.safetensors"

    answer = run_command("compare", ticket, ticket, "--json")

    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout)["overlap"]["share"] == 1.0


def test_several_replicates_are_refused_by_name(folder: Path, tmp_path: Path) -> None:
    answer = run_command(
        *("construct", folder / "network.safetensors"),
        *("--spec", json.dumps(SPEC | {"replicates": 2})),
        *("--out", tmp_path / "ticket.safetensors", "--json"),
    )

    assert answer.returncode != 0
    assert "/replicates" in answer.stderr + answer.stdout
    assert list(tmp_path.iterdir()) == []
