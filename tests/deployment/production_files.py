"""The production files as data: docker-compose.yml, the Dockerfile, .env.example."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: item for name, item in SERVICES.items() if "build" in item}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXAMPLE = dict(
    line.split("=", 1)
    for line in (ROOT / ".env.example").read_text().splitlines()
    if line and not line.startswith("#")
)


def instructions(name: str) -> list[str]:
    """The arguments of every Dockerfile instruction of this name, continued lines joined."""
    joined = DOCKERFILE.replace("\\\n", " ")
    return [
        line.removeprefix(name).strip()
        for line in joined.splitlines()
        if line.startswith(f"{name} ")
    ]


def interpolated(text: str) -> str:
    """A compose value with the variables of .env.example filled in, passwords invented."""

    def value(match: re.Match[str]) -> str:
        return EXAMPLE[match[1]] or "0a1b2c"

    return re.sub(r"\$\{(\w+)(?::[-?][^}]*)?\}", value, text)


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """A service's variables as its process sees them."""
    return {name: interpolated(str(value)) for name, value in service["environment"].items()}


def api_port() -> str:
    command = SERVICES["api"]["command"]
    port: str = command[command.index("--port") + 1]
    return port
