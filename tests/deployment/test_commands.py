"""The images' commands really work, as far as they do without containers."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.deployment.production_files import (
    OURS,
    PROJECT,
    ROOT,
    SERVICES,
    api_port,
    instructions,
)
from tests.deployment.programs import assert_program_of_ours


def test_the_images_own_command_is_a_command_of_ours() -> None:
    program, command, *options = json.loads(instructions("CMD")[0])

    module, _, function = PROJECT["scripts"][program].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
    usage = subprocess.run(
        [sys.executable, "-m", "ltforge", command, "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert [name for name in options if name.startswith("--") and name not in usage.stdout] == []


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_is_a_program_of_ours(name: str) -> None:
    assert_program_of_ours(OURS[name]["command"])


def test_the_migrate_and_api_commands_and_the_health_check_run(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    own = {name: value for name, value in os.environ.items() if not name.startswith("LTFORGE_")}
    environment = {
        **own,
        "LTFORGE_DATA": str(tmp_path),
        "LTFORGE_DATABASE_URL": f"sqlite:///{tmp_path}/ltforge.sqlite",
    }
    migrate = [sys.executable, *SERVICES["migrate"]["command"][1:]]
    api = [sys.executable, "-m", *SERVICES["api"]["command"]]
    api[api.index("--host") + 1] = "127.0.0.1"
    api[api.index("--port") + 1] = port
    _, program, *check = SERVICES["api"]["healthcheck"]["test"]
    healthy = [sys.executable, *(text.replace(f":{api_port()}/", f":{port}/") for text in check)]

    subprocess.run(migrate, cwd=ROOT, env=environment, check=True, capture_output=True)
    with subprocess.Popen(
        api, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(healthy, capture_output=True, check=False).returncode != 0:
                assert time.monotonic() < deadline, "the health check never passed"
                assert server.poll() is None
        finally:
            server.terminate()

    assert program == "python"
    assert server.returncode in (0, -15)
