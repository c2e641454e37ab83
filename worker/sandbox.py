"""The parent's side of a conversion: starts the child, waits in time, judges its answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import structlog

from service.domain import Problem
from service.settings import Settings
from worker.plain_text import plain, plain_document, plain_problem

_LARGEST_VERDICT = 4 << 20
_LOGGED_BYTES = 2000
_POLL_SECONDS = 0.2

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The canonical form was written; what the child found."""

    summary: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """The file is of no use, for this reason."""

    problem: Problem


Verdict = Accepted | Rejected


def conversion_command(kind: str, source: Path, destination: Path, settings: Settings) -> list[str]:
    """How the child is started."""
    limits = {
        "memory_bytes": settings.conversion_memory_bytes,
        "cpu_seconds": settings.conversion_cpu_seconds,
        "file_bytes": settings.conversion_file_bytes,
        "open_files": settings.conversion_open_files,
    }
    return [
        sys.executable,
        "-m",
        "worker.conversion",
        str(os.getpid()),
        kind,
        str(source),
        str(destination),
        json.dumps(limits),
    ]


def run_sandboxed(
    command: Sequence[str], folder: Path, wall_seconds: float, keep: Callable[[], None]
) -> Verdict:
    """Run a conversion; `keep` is called while waiting, and what it raises ends the child."""
    # A file, not a pipe: the child's limit on file sizes then bounds what it can say.
    with (
        (folder / "verdict.json").open("w+b") as answer,
        (folder / "errors.txt").open("w+b") as errors,
    ):
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=errors,
            # Nothing inherited, so no credentials; one thread, as each maps address space.
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HOME": str(folder)},
            start_new_session=True,
        )
        try:
            in_time = _wait(child, wall_seconds, keep)
        finally:
            _end(child)
        if child.returncode != 0:
            errors.seek(max(0, errors.seek(0, os.SEEK_END) - _LOGGED_BYTES))
            told = plain(errors.read().decode(errors="replace"))
            _log.warning("conversion ended badly", status=child.returncode, errors=told)
        if not in_time:
            return _rejected(
                "CONVERSION_TIMEOUT", f"Reading the file took over {wall_seconds:g} s."
            )
        return _judge(child.returncode, answer)


def _wait(child: subprocess.Popen[bytes], wall_seconds: float, keep: Callable[[], None]) -> bool:
    """Whether the child ended in time."""
    deadline = time.monotonic() + wall_seconds
    while time.monotonic() < deadline:
        try:
            child.wait(timeout=_POLL_SECONDS)
            return True
        except subprocess.TimeoutExpired:
            keep()
    return False


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's group; also after its end, as it may have left children behind."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        child.wait()


def _judge(status: int, answer: IO[bytes]) -> Verdict:
    if status == -signal.SIGXCPU:
        return _rejected("CONVERSION_TIMEOUT", "Reading the file took too much processor time.")
    if status != 0:
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return _rejected("CONVERSION_CRASHED", f"Reading the file crashed its process ({how}).")
    answer.seek(0)
    try:
        document = json.loads(answer.read(_LARGEST_VERDICT))
        if document["accepted"]:
            return Accepted(plain_document(dict(document["summary"])))
        return Rejected(plain_problem(str(document["code"]), str(document["detail"])))
    except (ValueError, KeyError, TypeError, RecursionError):
        return _rejected("CONVERSION_CRASHED", "Reading the file gave no verdict.")


def _rejected(code: str, detail: str) -> Rejected:
    advice = "Save the plain state_dict or arrays again, as safetensors or npz, and upload that."
    return Rejected(Problem(code, f"{detail} {advice}"))
