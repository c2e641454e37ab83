"""A finished construction on a real MLflow server: what is there, and who can use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from ltengine.evaluation import compact, evaluate_ticket
from ltengine.sparse_network import rebuild
from ltengine.ticket_file import read_ticket_bytes
from ltforge.errors import LTForgeError
from ltforge.platforms.finished_job import FinishedJob
from ltforge.platforms.mlflow import MlflowPlace, is_reachable, log_job
from ltforge.platforms.mlflow_checkpoint import fetch_checkpoint
from tests.service.real_tickets import MadeTicket

BEGAN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ENDED = datetime(2026, 1, 1, 12, 1, tzinfo=UTC)


def job(made: MadeTicket, job_id: str, *, ticket: bool = True) -> FinishedJob:
    return FinishedJob(
        id=job_id,
        specification=made.report["specification"],
        report=made.report,
        ticket=made.file if ticket else None,
        labels={"team": "ours"},
        started=BEGAN,
        finished=ENDED,
    )


def test_a_ticket_is_a_run_with_a_model_that_runs_without_us(
    tracking_uri: str, made: MadeTicket, tmp_path: Path
) -> None:
    client = MlflowClient(tracking_uri)
    place = MlflowPlace(tracking_uri, "one", registered_model="tickets")

    run_id = log_job(job(made, "job_1"), place)

    run = client.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "job_1")
    assert (run.info.start_time, run.info.end_time) == (1767268800000, 1767268860000)
    assert run.data.params["source.seed"] == "0"
    assert run.data.params["construction"] == "2L"
    assert run.data.metrics["error.certified"] == made.report["error"]["certified"]
    assert run.data.metrics["ticket.parameters"] == made.report["ticket"]["parameters"]
    widths = client.get_metric_history(run_id, "layer.width")
    layers = made.report["ticket"]["layers"]
    assert [(point.step, point.value) for point in widths] == [
        (number, layer["width"]) for number, layer in enumerate(layers, start=1)
    ]
    assert run.data.tags["ltforge.label.team"] == "ours"
    assert {file.path for file in client.list_artifacts(run_id)} >= {
        "ticket.safetensors",
        "report.json",
        "specification.json",
    }
    kept = client.download_artifacts(run_id, "ticket.safetensors", str(tmp_path))
    assert Path(kept).read_bytes() == made.file.read_bytes()
    version = client.get_model_version("tickets", "1")
    assert (version.run_id, version.tags["ltforge.job_id"]) == (run_id, "job_1")
    assert_runs_alone(tracking_uri, "models:/tickets/1", made, tmp_path)


def assert_runs_alone(tracking_uri: str, model: str, made: MadeTicket, folder: Path) -> None:
    """Both flavours give what the engine gives, on raw inputs, for any number of samples."""
    ticket, _ = read_ticket_bytes(made.file.read_bytes())
    x = np.random.default_rng(0).uniform(0, 1, (7, 6)).astype(np.float32)
    files = [folder / name for name in ("x.npy", "general.npy", "own.npy")]
    np.save(files[0], x)
    script = Path(__file__).with_name("model_alone.py")

    subprocess.run(
        [sys.executable, script, tracking_uri, model, *files],
        check=True,
        cwd=folder,
        capture_output=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )

    expected = evaluate_ticket(compact(rebuild(ticket)), (x - np.float32(0.5)) / np.float32(2.0))
    for file in files[1:]:
        np.testing.assert_allclose(np.load(file), expected, rtol=1e-4, atol=1e-5)


def test_a_job_told_again_is_the_same_run_and_one_half_told_is_told_anew(
    tracking_uri: str, made: MadeTicket
) -> None:
    client, place = MlflowClient(tracking_uri), MlflowPlace(tracking_uri, "again")
    first = log_job(job(made, "job_2", ticket=False), place)

    assert log_job(job(made, "job_2", ticket=False), place) == first
    client.update_run(first, status="RUNNING")
    second = log_job(job(made, "job_2", ticket=False), place)

    experiment = client.get_experiment_by_name("again")
    assert experiment is not None
    (left,) = client.search_runs([experiment.experiment_id])
    assert left.info.run_id == second != first


def test_a_failed_job_is_a_failed_run_that_says_why(tracking_uri: str, made: MadeTicket) -> None:
    failed = FinishedJob("job_3", made.report["specification"], error=("UNSOLVED", "One is left."))

    run = MlflowClient(tracking_uri).get_run(log_job(failed, MlflowPlace(tracking_uri, "failed")))

    assert run.info.status == "FAILED"
    assert run.data.tags["ltforge.error_code"] == "UNSOLVED"
    assert run.data.tags["mlflow.note.content"] == "UNSOLVED: One is left."


def test_a_ticket_that_is_too_large_for_a_model_is_a_file(
    tracking_uri: str, made: MadeTicket
) -> None:
    client = MlflowClient(tracking_uri)

    run_id = log_job(job(made, "job_4"), MlflowPlace(tracking_uri, "large", largest_model=10))

    run = client.get_run(run_id)
    cells = json.loads(json.dumps(made.report))["ticket"]["parameters"]
    assert run.data.tags["ltforge.model"] == f"left out: {cells} kept cells"
    assert not run.outputs or not run.outputs.model_outputs
    assert "ticket.safetensors" in {file.path for file in client.list_artifacts(run_id)}


def test_a_server_that_is_away_is_told_from_one_that_answers(
    tracking_uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    assert is_reachable(MlflowPlace(tracking_uri))
    assert not is_reachable(MlflowPlace("http://127.0.0.1:9"))


def test_a_checkpoint_is_fetched_where_there_is_one_and_else_the_files_are_named(
    tracking_uri: str, tmp_path: Path
) -> None:
    client, files = MlflowClient(tracking_uri), tmp_path / "files"
    (files / "net").mkdir(parents=True)
    (files / "net" / "model.onnx").write_bytes(b"weights")
    (files / "net" / "MLmodel").write_text("flavors: {}")
    run_id = client.create_run(client.create_experiment("trained networks")).info.run_id
    client.log_artifacts(run_id, str(files))

    def fetch(path: str) -> bytes:
        folder = tmp_path / path
        folder.mkdir()
        return fetch_checkpoint(f"runs:/{run_id}/{path}", folder, tracking_uri).read_bytes()

    assert fetch("net") == b"weights"
    (files / "net" / "state.pt").write_bytes(b"others")
    client.log_artifacts(run_id, str(files), "two")
    with pytest.raises(LTForgeError, match=r"NOT_ONE_CHECKPOINT.*model.onnx.*state.pt"):
        fetch("two")
    with pytest.raises(LTForgeError, match="ARTIFACT_NOT_FETCHED"):
        fetch("absent")
