"""The command: what it prints where, and its exit status, run as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import ltforge
from service.store import open_store
from service.store.schema import upgrade
from tests.ltforge.command import run_command

SPEC = '{"construction": "L+1", "activation": {"name": "relu"}}'


def error_of(answer: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The error object on stdout, after checking that stderr names it too."""
    assert answer.returncode == 1, answer
    document = json.loads(answer.stdout)
    assert set(document) == {"error"}
    error: dict[str, str] = document["error"]
    assert set(error) == {"code", "detail"}
    assert f"ltforge: {error['code']}: {error['detail']}" in answer.stderr
    return error


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    path.write_bytes(b"not looked at in these tests")
    return path


def test_the_version_is_the_packages() -> None:
    answer = run_command("version")

    assert (answer.returncode, answer.stdout.strip()) == (0, ltforge.__version__)


def test_the_installed_script_is_this_command() -> None:
    script = Path(sys.executable).with_name("ltforge")
    answer = subprocess.run([script, "version"], capture_output=True, text=True, check=False)

    assert (answer.returncode, answer.stdout.strip()) == (0, ltforge.__version__)


def test_help_lists_the_commands_without_loading_the_engine() -> None:
    heavy = ("torch", "numpy", "numba", "pydantic", "httpx", "fastapi", "sqlalchemy")
    started = time.monotonic()

    answer = run_command("--help", without=heavy)

    assert answer.returncode == 0
    for command in ("construct", "verify", "plan", "serve", "keys", "tenants", "version"):
        assert command in answer.stdout
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "arguments",
    [
        ("construct",),
        ("construct", "network.safetensors", "--spec", SPEC),
        ("construct", "n", "--spec", SPEC, "--out", "t", "--threads", "0"),
        ("verify", "ticket.safetensors"),
        ("invent",),
        ("plan", "network.safetensors", "--spec", SPEC, "--nonsense"),
    ],
)
def test_wrong_usage_is_exit_status_2(arguments: tuple[str, ...]) -> None:
    answer = run_command(*arguments)

    assert answer.returncode == 2
    assert answer.stdout == ""
    assert answer.stderr


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ("{", "SPEC_NOT_JSON"),
        ("absent.json", "FILE_NOT_FOUND"),
        ('{"construction": "3L"}', "INVALID_SPECIFICATION"),
        ('{"construction": "L+1", "tolerance": {"parameter": 0}}', "INVALID_SPECIFICATION"),
        ('{"construction": "L+1", "base_set": {"size": 200}}', "INVALID_SPECIFICATION"),
        ('{"construction": "L+1", "activation": {"name": "swoosh"}}', "INVALID_SPECIFICATION"),
        ('{"construction": "L+1", "colour": "red"}', "INVALID_SPECIFICATION"),
    ],
)
def test_a_wrong_spec_is_named_and_nothing_is_written(
    checkpoint: Path, tmp_path: Path, spec: str, code: str
) -> None:
    out = tmp_path / "ticket.safetensors"

    answer = run_command("construct", str(checkpoint), "--spec", spec, "--out", str(out), "--json")

    assert error_of(answer)["code"] == code
    assert sorted(tmp_path.iterdir()) == [checkpoint]


def test_a_spec_comes_from_a_file_or_stdin_as_well(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text("[]")

    for spec in (str(file), "-"):
        answer = run_command("plan", str(checkpoint), "--spec", spec, "--json", stdin="[]")

        assert error_of(answer)["code"] == "SPEC_NOT_AN_OBJECT"


def test_a_spec_that_is_not_text_is_named(checkpoint: Path, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_bytes(b"\xff\xfe\x00")

    answer = run_command("plan", str(checkpoint), "--spec", str(file), "--json")

    assert error_of(answer)["code"] == "SPEC_NOT_JSON"


def test_an_error_without_json_leaves_stdout_empty(tmp_path: Path) -> None:
    answer = run_command("verify", str(tmp_path / "t"), str(tmp_path / "c"))

    assert answer.returncode == 1
    assert answer.stdout == ""
    assert "FILE_NOT_FOUND: there is no ticket file at" in answer.stderr


def test_a_place_that_cannot_be_written_is_said_before_the_work(
    checkpoint: Path, tmp_path: Path
) -> None:
    for out, code in (
        (tmp_path / "absent" / "t", "FOLDER_NOT_FOUND"),
        (tmp_path, "NOT_A_FILE"),
        (tmp_path / "." / checkpoint.name, "WOULD_OVERWRITE_INPUT"),
    ):
        answer = run_command(
            "construct", str(checkpoint), "--spec", SPEC, "--out", str(out), "--json"
        )

        assert error_of(answer)["code"] == code


@pytest.mark.parametrize(
    ("arguments", "module", "extra"),
    [
        (("plan", "CHECKPOINT", "--spec", SPEC, "--json"), "numba", "engine"),
        (("construct", "CHECKPOINT", "--spec", SPEC, "--out", "t", "--json"), "numpy", "engine"),
        (("verify", "CHECKPOINT", "CHECKPOINT", "--json"), "numpy", "engine"),
    ],
)
def test_a_missing_extra_is_named_with_the_command_that_installs_it(
    checkpoint: Path, arguments: tuple[str, ...], module: str, extra: str
) -> None:
    real = [str(checkpoint) if text == "CHECKPOINT" else text for text in arguments]

    error = error_of(run_command(*real, without=(module,)))

    assert error["code"] == "MISSING_EXTRA"
    assert (
        f'{module}, which is not installed; run: pip install "ltforge[{extra}]"'
        in (error["detail"])
    )


def test_serving_without_the_server_extra_says_so() -> None:
    answer = run_command("serve", without=("pydantic_settings",))

    assert answer.returncode == 1
    assert 'pip install "ltforge[server]"' in answer.stderr


def test_with_the_client_alone_the_command_says_what_it_needs() -> None:
    answer = run_command("version", without=("typer",))

    assert answer.returncode == 1
    assert 'typer is missing; pip install "ltforge[cli]"' in answer.stderr


def test_a_key_is_made_in_a_migrated_database_and_nowhere_else(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ltforge.sqlite"
    (tmp_path / "ltforge.sqlite").touch()
    before = run_command("create-key", environment={"LTFORGE_DATABASE_URL": url})
    upgrade(url)

    made = run_command(
        "create-key", "--tenant", "vision", environment={"LTFORGE_DATABASE_URL": url}
    )

    assert before.returncode == 1
    assert "DATABASE_NOT_MIGRATED" in before.stderr
    assert made.returncode == 0, made
    store = open_store(url)
    with store.begin() as tx:
        key = tx.keys.find(made.stdout.strip())
        assert key is not None
        assert key.tenant_id == tx.keys.ensure_tenant("vision")
    store.dispose()


def test_an_operator_makes_rotates_lists_and_revokes_keys(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ltforge.sqlite"
    upgrade(url)

    def keys(*arguments: str) -> Any:
        return run_command(
            "keys", *arguments, "--tenant", "vision", environment={"LTFORGE_DATABASE_URL": url}
        )

    made = keys("create", "--scope", "read", "--name", "dashboard", "--days", "7").stdout.strip()
    (listed,) = json.loads(keys("list", "--json").stdout)
    rotated = keys("rotate", listed["id"], "--grace-seconds", "0").stdout.strip()

    assert (listed["name"], listed["scopes"]) == ("dashboard", ["read"])
    assert listed["expires_at"] is not None
    store = open_store(url)
    with store.read() as tx:
        assert tx.keys.find(made) is None
        assert tx.keys.find(rotated) is not None
    assert keys("revoke", listed["id"]).returncode == 0
    with store.read() as tx:
        assert tx.keys.find(rotated) is None
        tenant_id = tx.keys.find_tenant("vision")
        assert tenant_id is not None
        actions = [entry.action for entry in tx.audit.list(tenant_id, 10)]
        assert actions == ["api_key.revoked", "api_key.rotated", "api_key.created"]
    store.dispose()
    assert "revoked" in keys("list").stdout
    assert keys("revoke", "key_nobody").returncode == 1


def test_an_operator_shows_tenants_and_sets_their_limits(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ltforge.sqlite"
    upgrade(url)
    environment = {"LTFORGE_DATABASE_URL": url, "LTFORGE_MAX_RUNNING_JOBS": "5"}
    store = open_store(url)
    with store.begin() as tx:
        for name in ("vision", "speech"):
            tx.keys.ensure_tenant(name)

    def tenants(*arguments: str) -> Any:
        return run_command("tenants", *arguments, environment=environment)

    shown = json.loads(tenants("show", "vision", "--json").stdout)
    tenants("limit", "vision", "--stored-bytes", "5000000000", "--running-jobs", "0")
    limited = json.loads(
        tenants("limit", "vision", "--queued-jobs", "7", "--reset", "running-jobs", "--json").stdout
    )
    listed = json.loads(tenants("list", "--json").stdout)

    assert shown["limits"]["running_jobs"] == 5
    assert shown["now"]["stored_bytes"] == 0
    changed = {"stored_bytes": 5_000_000_000, "queued_jobs": 7, "running_jobs": 5}
    assert limited["limits"] == shown["limits"] | changed
    assert [tenant["name"] for tenant in listed] == ["vision", "speech"]
    assert listed[0] == limited
    assert listed[1]["limits"] == shown["limits"]
    with store.read() as tx:
        tenant_id = tx.keys.find_tenant("vision")
        assert tenant_id is not None
        actions = [entry.action for entry in tx.audit.list(tenant_id, 10)]
        assert actions == ["tenant.limited", "tenant.limited"]
    store.dispose()
    assert "queued_jobs" in tenants("show", "vision").stdout
    assert "speech" in tenants("list").stdout
    assert tenants("show", "nobody").returncode == 1
    for wrong in (["--uploads", "-1"], ["--reset", "everything"], []):
        assert tenants("limit", "vision", *wrong).returncode == 2
