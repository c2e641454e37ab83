"""Running a measurement in a process of its own, so that its memory is its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def run_module(module: str, *arguments: str) -> dict[str, Any]:
    """What ``python -m module`` prints, a JSON object.

    Raises:
        RuntimeError: the process failed; the message ends with its last words.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{module} {' '.join(arguments)} failed: {done.stderr[-1000:].strip()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def peak_memory() -> int:
    """Bytes of this process at its largest (Linux)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("/proc/self/status has no VmHWM: not Linux")
