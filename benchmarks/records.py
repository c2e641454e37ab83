"""Recorded figures: a JSON file a benchmark, with the machine they were measured on."""

from __future__ import annotations

import datetime
import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.fresh_process import ROOT

FOLDER = Path(__file__).resolve().parent


def describe_machine() -> dict[str, str]:
    """What the figures were measured on, and what was measured.

    Outside a repository the commit is unknown: to be filled in by who copied the files there.
    """
    models = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "machine": models[0] if models else platform.machine(),
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "commit": commit or "unknown",
    }


def read_record(name: str) -> dict[str, Any] | None:
    """What was recorded last, if anything was."""
    file = FOLDER / f"{name}.json"
    document: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
    return document


def write_record(name: str, figures: dict[str, Any]) -> None:
    """Keep figures in place of the last ones."""
    (FOLDER / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
