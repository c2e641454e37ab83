"""A finished job as a run of Weights & Biases: what its own library keeps of it, offline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb

from ltforge.platforms.finished_job import FinishedJob, identity, metrics, series
from ltforge.platforms.wandb import WandbPlace, log_job
from tests.ltforge.command import run_command
from tests.platforms.wandb_file import read_records
from tests.service.real_tickets import MadeTicket


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of it is sent, and nothing is left behind in the home folder."""
    for name in ("WANDB_DIR", "WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    yield
    wandb.teardown()


def _run_file(folder: Path) -> Path:
    (found,) = folder.glob("wandb/offline-run-*/*.wandb")
    return found


def _nested(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_a_job_becomes_a_run_with_its_figures_and_its_ticket(
    made: MadeTicket, tmp_path: Path
) -> None:
    job = FinishedJob(
        "job_1", made.report["specification"], made.report, made.file, labels={"team": "ours"}
    )

    run_id = log_job(job, WandbPlace(project="tickets", entity="ours"))

    records = list(read_records(_run_file(tmp_path)))
    (run,) = {
        record.run.run_id: record.run for record in records if record.HasField("run")
    }.values()
    assert (run.run_id, run.project, run.entity) == (run_id, "tickets", "ours")
    assert (run.display_name, run.job_type, list(run.tags)) == (
        "job_1",
        "construction",
        ["team=ours"],
    )
    config = _nested(run.config.update)
    assert config["specification"] == json.loads(json.dumps(job.specification))
    assert config["ltforge"] == identity(job)

    summary = dict[str, Any]()
    for record in records:
        summary |= _nested(record.summary.update)
    assert metrics(job).items() <= summary.items()
    rows = [_nested(r.history.item) for r in records if r.HasField("history")]
    layers = [row["layer.width"] for row in rows if "source_layer" in row]
    assert layers == [value for name, _, value in series(job) if name == "layer.width"]

    (artifact,) = (record.artifact for record in records if record.HasField("artifact"))
    stored = {entry.path: entry for entry in artifact.manifest.contents}
    assert set(stored) == {"ticket.safetensors", "report.json", "specification.json"}
    assert stored["ticket.safetensors"].size == made.file.stat().st_size
    kept = Path(stored["ticket.safetensors"].local_path).read_bytes()
    assert hashlib.sha256(kept).digest() == hashlib.sha256(made.file.read_bytes()).digest()
    (exit_record,) = (record.exit for record in records if record.HasField("exit"))
    assert exit_record.exit_code == 0


def test_a_failed_job_is_a_failed_run_that_says_why(tmp_path: Path) -> None:
    job = FinishedJob("job_2", {"construction": "2L"}, error=("TOO_NARROW", "raise the width"))

    log_job(job, WandbPlace())

    records = list(read_records(_run_file(tmp_path)))
    assert next(record.run.notes for record in records if record.HasField("run")) == (
        "TOO_NARROW: raise the width"
    )
    assert [record.exit.exit_code for record in records if record.HasField("exit")] == [1]


def test_the_run_of_a_job_is_the_same_run_whoever_logs_it(tmp_path: Path) -> None:
    job = FinishedJob("job_3", {"construction": "2L"}, error=("TOO_NARROW", "raise the width"))

    assert log_job(job, WandbPlace()) == log_job(job, WandbPlace())


def test_the_command_logs_a_file_and_names_what_stops_it(made: MadeTicket, tmp_path: Path) -> None:
    to = ("publish", str(made.file), "--json", "--to")
    logged = run_command(*to, "wandb://ours/tickets")
    stranger = run_command(
        *to, "wandb", environment={"WANDB_MODE": "online", "HOME": str(tmp_path)}
    )
    absent = run_command(*to, "wandb", without=("wandb",))

    assert logged.returncode == 0, logged.stderr
    document = json.loads(logged.stdout)
    assert document["project"] == "ours/tickets"
    assert _run_file(tmp_path).name == f"run-{document['run']}.wandb"
    assert json.loads(stranger.stdout)["error"]["code"] == "WANDB_REFUSED"
    assert "wandb login" in stranger.stdout
    assert "ltforge[wandb]" in absent.stdout + absent.stderr
