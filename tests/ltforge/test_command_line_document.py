"""docs/command-line.md against the command itself, and the doctor."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import typer

from ltforge.command_line.application import application
from ltforge.command_line.failures import FAILED, INTERRUPTED, TRY_AGAIN
from service.store.schema import upgrade
from tests.ltforge.command import run_command

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text()
ROOT_COMMAND: Any = typer.main.get_command(application)


def leaves(command: Any, name: str = "") -> list[tuple[str, click.Command]]:
    if not hasattr(command, "commands"):
        return [(name, command)]
    return [
        leaf
        for part, inner in command.commands.items()
        if not inner.hidden
        for leaf in leaves(inner, f"{name} {part}".strip())
    ]


def test_the_page_lists_every_command_and_no_other() -> None:
    rows = dict(re.findall(r"^\| `ltforge ([a-z-]+)` \| (.*) \|$", DOCUMENT, re.M))

    assert set(rows) == {
        name for name, command in ROOT_COMMAND.commands.items() if not command.hidden
    }
    for name, command in ROOT_COMMAND.commands.items():
        for part in getattr(command, "commands", {}):
            assert f"`{part}`" in rows[name], (name, part)


def test_the_page_lists_every_exit_status() -> None:
    listed = {int(status) for status in re.findall(r"^\| (\d+) \|", DOCUMENT, re.M)}

    usage = click.UsageError.exit_code
    assert listed == {0, FAILED, usage, TRY_AGAIN, INTERRUPTED}


@pytest.mark.parametrize(("name", "command"), leaves(ROOT_COMMAND))
def test_every_command_says_what_it_does_and_can_print_json(
    name: str, command: click.Command
) -> None:
    options = {option for parameter in command.params for option in parameter.opts}

    assert command.help
    assert name in {"serve", "worker", "version"} or "--json" in options


def test_shells_are_taught_to_complete() -> None:
    answer = run_command(
        "--show-completion",
        "bash",
        environment={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )

    assert "ltforge" in answer.stdout + answer.stderr


def findings(environment: dict[str, str], status: int) -> dict[str, dict[str, str]]:
    answer = run_command("doctor", "--json", environment=environment)
    assert answer.returncode == status, answer.stderr
    document = json.loads(answer.stdout)
    assert document["healthy"] == (status == 0)
    found: list[dict[str, str]] = document["findings"]
    assert all(item["remedy"] for item in found if item["state"] != "ok")
    return {item["what"]: item for item in found}


def test_the_doctor_finds_a_migrated_installation_healthy(tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path}/ltforge.sqlite")

    found = findings({"LTFORGE_DATA": str(tmp_path)}, 0)

    assert found["database"]["state"] == "ok"
    names = {
        "settings",
        "database",
        "broker",
        "blob folder",
        "disk",
        "numba cache",
        "torch",
        "cuda",
    }
    assert set(found) == names


def test_the_doctor_names_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "ltforge.sqlite").touch()
    (tmp_path / "blobs").write_text("no folder")

    found = findings(
        {
            "LTFORGE_DATA": str(tmp_path),
            "LTFORGE_BROKER_URL": "redis://127.0.0.1:9/0",
            "LTFORGE_FREE_DISK_BYTES": str(1 << 60),
        },
        1,
    )

    faults = {name for name, item in found.items() if item["state"] == "fault"}
    assert faults == {"database", "broker", "blob folder", "disk"}
    assert "ltforge migrate" in found["database"]["remedy"]
    assert findings({"LTFORGE_PORT": "many"}, 1)["settings"]["state"] == "fault"


def test_migrate_and_gc_do_their_work_on_the_configured_database(tmp_path: Path) -> None:
    environment = {"LTFORGE_DATA": str(tmp_path), "LTFORGE_BLOB_GRACE_SECONDS": "0.001"}

    migrated = run_command("migrate", "--json", environment=environment)
    orphan = tmp_path / "blobs" / "ab" / ("ab" * 32)
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x" * 1000)
    collected = run_command("gc", "--json", environment=environment)

    assert json.loads(migrated.stdout) == {"migrated": True}, migrated.stderr
    assert json.loads(collected.stdout)["freed_bytes"] == 1000, collected.stderr
    assert not orphan.exists()
