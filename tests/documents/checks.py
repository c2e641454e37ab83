"""What is checked of a block that is not run as it stands, by the name that its comment gives."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from service.settings import Settings
from tests.documents.blocks import ROOT, Block
from tests.journeys.test_backup import commands


def commands_in(text: str) -> list[list[str]]:
    """The words of each command of a script of plain commands."""
    joined = text.replace("\\\n", " ")
    return [words for line in joined.splitlines() if (words := shlex.split(line, comments=True))]


def make(block: Block) -> None:
    """Make knows what to do for each target; nothing of it is done."""
    for program, *targets in commands_in(block.text):
        assert program == "make"
        subprocess.run(
            ["make", "--dry-run", *targets], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )


def install(block: Block) -> None:
    """What pip is told to install is ours, with extras that exist, or a package that we pin."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    pinned = {
        canonicalize_name(line.partition("==")[0])
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for pip, install, *names in commands_in(block.text):
        assert (Path(pip).name, install) == ("pip", "install")
        for requirement in map(Requirement, names):
            if requirement.name == "ltforge":
                assert requirement.extras <= extras.keys(), requirement
            else:
                assert canonicalize_name(requirement.name) in pinned, requirement


def kubernetes(block: Block) -> None:
    """The script is one, and every folder or file that kubectl is told to apply exists."""
    subprocess.run(["bash", "-n", "-c", block.text], check=True)
    for program, *words in commands_in(block.text):
        assert program == "kubectl"
        for option, path in itertools.pairwise(words):
            assert option not in {"-f", "-k"} or (ROOT / path).exists(), path


def compose(block: Block) -> None:
    """The script copies files that exist, sets what can be set, and runs services of ours.

    tests/deployment/test_compose.py checks these, with the settings that .env.example gives them.
    """
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for words in commands_in(block.text):
        while re.fullmatch(r"LTFORGE_\w+=.*", words[0]):
            name = words.pop(0).partition("=")[0].removeprefix("LTFORGE_").lower()
            assert name in Settings.model_fields, name
        match words:
            case ["cp", source, _]:
                assert (ROOT / source).is_file(), source
            case ["docker", "compose", "build" | "up" | "run", *rest]:
                named = [word for word in rest if not word.startswith("--")]
                assert set(named) <= services.keys(), named
            case _:
                raise AssertionError(f"no check for {shlex.join(words)}")


def backup(block: Block) -> None:
    """It is a block that tests/journeys/test_backup.py runs, on PostgreSQL."""
    body = block.text.partition("\n")[2]
    assert body in {commands("back up"), commands("restore")}


def platforms(block: Block) -> None:
    """It is a script; tests/platforms runs its commands, on an MLflow server."""
    subprocess.run(["bash", "-n", "-c", block.text], check=True)


CHECKS: dict[str, Callable[[Block], None]] = {
    "make": make,
    "install": install,
    "kubernetes": kubernetes,
    "compose": compose,
    "backup": backup,
    "platforms": platforms,
}

_BASH_PROMPT = re.compile(r"^\$ ", re.M)


def console_steps(text: str) -> list[tuple[str, str]]:
    """Each command of a console block, and what it shall print."""
    steps = _BASH_PROMPT.split(text)
    assert not steps[0], "a console block begins with '$ '"
    found = []
    for step in steps[1:]:
        lines = step.splitlines(keepends=True)
        end = 1
        while lines[end - 1].endswith("\\\n") or (end < len(lines) and lines[end][:2] == "> "):
            end += 1
        command = "".join(line.removeprefix("> ") for line in lines[:end])
        found.append((command, "".join(lines[end:])))
    return found
