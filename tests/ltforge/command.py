"""The command, run as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENTRY = "from ltforge.command_line import main; main()"


def run_command(
    *arguments: str,
    without: tuple[str, ...] = (),
    stdin: str = "",
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run the command; imports of the modules ``without`` fail as if they were not installed."""
    hide = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in without)
    return subprocess.run(
        [sys.executable, "-c", hide + ENTRY, *arguments],
        cwd=ROOT,
        input=stdin,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
