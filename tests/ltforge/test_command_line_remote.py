"""The commands that ask a service: the real API, and a test's own hands as the worker."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ltforge.command import run_command
from tests.ltforge.killable_server import KillableServer, killable_server

SPEC = '{"construction": "L+1", "activation": {"name": "relu"}}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillableServer]:
    with killable_server(tmp_path_factory.mktemp("remote")) as running:
        yield running


@pytest.fixture
def command(server: KillableServer) -> Any:
    environment = {"LTFORGE_URL": server.url, "LTFORGE_API_KEY": server.api_key}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_command(*arguments, environment=environment)

    return run


def read(answer: subprocess.CompletedProcess[str]) -> Any:
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def uploaded(server: KillableServer, content: bytes = b"weights") -> str:
    from ltforge import Client  # noqa: PLC0415

    with Client(server.url, server.api_key) as client:
        source = server.folder / "network.safetensors"
        source.write_bytes(content)
        return client.upload_checkpoint(source).id


def test_jobs_are_submitted_listed_followed_and_ended(
    server: KillableServer, command: Any, tmp_path: Path
) -> None:
    checkpoint = uploaded(server)
    server.accept_checkpoint()

    job = read(command("jobs", "submit", checkpoint, "--spec", SPEC, "--label", "a=b", "--json"))
    listed = read(command("jobs", "list", "--label", "a=b", "--json"))
    table = command("jobs", "list").stdout
    canceled = read(command("jobs", "cancel", job["id"], "--reason", "enough", "--json"))
    events = command("jobs", "events", job["id"], "--json").stdout.splitlines()

    assert job["status"] == "queued"
    assert [item["id"] for item in listed] == [job["id"]]
    assert "_session" not in job
    assert job["id"] in table
    assert canceled["status"] == "canceled"
    assert [json.loads(line)["type"] for line in events] == ["job.queued", "job.canceled"]
    waited = command("jobs", "wait", job["id"], "--json")
    assert waited.returncode == 1
    assert json.loads(waited.stdout)["error"]["code"] == "JOB_CANCELED"
    assert read(command("jobs", "delete", job["id"], "--json")) == {"deleted": job["id"]}


def test_a_sweep_is_counted_before_it_is_queued(server: KillableServer, command: Any) -> None:
    checkpoint = uploaded(server)
    swept = ("sweep", checkpoint, "--spec", SPEC, "--over", "tolerance.parameter=[0.01,0.02]")

    assert read(command(*swept, "--dry-run", "--json"))["jobs"] == 2
    batch = read(command(*swept, "--name", "ours", "--json"))

    assert (batch["name"], batch["total"]) == ("ours", 2)
    wrong = command("sweep", checkpoint, "--spec", SPEC, "--over", "tolerance.parameter", "--json")
    assert json.loads(wrong.stdout)["error"]["code"] == "SWEEP_NOT_JSON"


def test_checkpoints_are_listed_and_shown(server: KillableServer, command: Any) -> None:
    checkpoint = uploaded(server)

    assert checkpoint in [item["id"] for item in read(command("checkpoints", "list", "--json"))]
    assert read(command("checkpoints", "show", checkpoint, "--json"))["id"] == checkpoint
    assert read(command("datasets", "list", "--json")) == []
    assert read(command("tickets", "list", "--json")) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("tickets", "show", "tkt_absent"),
        ("export", "tkt_absent", "--format", "onnx", "--out", "out.onnx"),
        ("compare", "tkt_absent", "tkt_other"),
    ],
)
def test_what_the_service_refuses_is_named(command: Any, arguments: tuple[str, ...]) -> None:
    answer = command(*arguments, "--json")

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["error"]["code"] == "NOT_FOUND"


def test_without_a_key_the_error_says_where_one_comes_from() -> None:
    answer = run_command("jobs", "list", "--json", environment={"LTFORGE_API_KEY": ""})

    assert answer.returncode == 1
    assert json.loads(answer.stdout)["error"]["code"] == "NO_API_KEY"


def test_a_service_that_is_away_is_exit_status_3() -> None:
    nowhere = {"LTFORGE_URL": "http://127.0.0.1:9", "LTFORGE_API_KEY": "ltf_key"}

    answer = run_command("jobs", "list", "--json", environment=nowhere)

    assert answer.returncode == 3
    assert json.loads(answer.stdout)["error"]["code"] == "CONNECTION_FAILED"
