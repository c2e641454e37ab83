"""One more setting: whoever serves with it finds every ticket on the MLflow server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from tests.journeys.conftest import network, saved
from tests.journeys.customer import Customer
from tests.journeys.stacks import Embedded, embedded
from tests.ltforge.command import run_command
from tests.waiting import wait_until


def command(stack: Embedded, *arguments: str) -> dict[str, Any]:
    """What a command on the service prints."""
    environment = {"LTFORGE_URL": stack.url, "LTFORGE_API_KEY": stack.key}
    answer = run_command(*arguments, "--json", environment=environment)
    assert answer.returncode == 0, answer.stderr
    printed: dict[str, Any] = json.loads(answer.stdout)
    return printed


def test_a_customers_ticket_becomes_a_run_and_a_version(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LTFORGE_MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("LTFORGE_MLFLOW_REGISTERED_MODEL", "served")
    client = MlflowClient(tracking_uri)
    spec = {"construction": "L+1", "activation": {"name": "relu"}}
    with embedded(tmp_path) as stack:
        customer = Customer(stack.url, stack.key)
        checkpoint = saved(network((6, 5, 4), seed=3), tmp_path / "net.safetensors")
        job = customer.finished(customer.submit(checkpoint, spec, labels={"team": "ours"}))
        customer.close()

        wait_until(lambda: client.search_model_versions("name = 'served'"), 120, "a version")

        (version,) = client.search_model_versions("name = 'served'")
        run_id = version.run_id
        assert run_id is not None
        wait_until(lambda: client.get_run(run_id).info.status == "FINISHED", 30)
        experiment_id = client.create_experiment("trained")
        trained = client.create_run(experiment_id).info.run_id
        client.log_artifact(trained, str(checkpoint), "weights")
        fetched = command(stack, "checkpoints", "upload", f"runs:/{trained}/weights")
        published = command(stack, "publish", job["ticket_id"], "--to", "mlflow://by-hand")

    # The same bytes are the same checkpoint.
    assert fetched["id"] == job["checkpoint_id"]
    by_hand = client.get_run(published["run"])
    assert by_hand.data.tags["ltforge.ticket_id"] == job["ticket_id"]
    assert by_hand.data.metrics["ticket.parameters"] == job["metrics"]["ticket"]["parameters"]
    run = client.get_run(run_id)
    assert run.info.run_name == job["id"]
    assert run.data.tags["ltforge.ticket_id"] == job["ticket_id"]
    assert run.data.tags["ltforge.label.team"] == "ours"
    assert run.data.metrics["ticket.parameters"] == job["metrics"]["ticket"]["parameters"]
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name == "ltforge/default"
