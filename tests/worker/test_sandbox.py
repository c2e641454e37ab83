"""The sandbox: whatever the child does, the parent gets a verdict and nothing is left running."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.waiting import wait_until
from worker.sandbox import Accepted, Rejected, run_sandboxed

pytestmark = pytest.mark.slow

LIMITS = {
    "memory_bytes": 1 << 30,
    "cpu_seconds": 1,
    "file_bytes": 1 << 20,
    "open_files": 64,
}


def nothing() -> None:
    """Nothing to keep alive."""


def child(program: str) -> list[str]:
    """A program that limits itself as the real child does, then misbehaves."""
    limits = f"from worker.conversion import limit; limit({LIMITS!r})\n"
    return [sys.executable, "-c", f"{limits}{program}"]


def code(verdict: object) -> str:
    assert isinstance(verdict, Rejected)
    assert verdict.problem.detail
    return verdict.problem.code


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("import os; os.abort()", "CONVERSION_CRASHED"),
        ("bytearray(2 << 30)", "CONVERSION_CRASHED"),
        ("print('no verdict')", "CONVERSION_CRASHED"),
        ("print('[]')", "CONVERSION_CRASHED"),
        ("while True: print('flood' * 1000)", "CONVERSION_CRASHED"),
        ("while True: pass", "CONVERSION_TIMEOUT"),
    ],
)
def test_a_misbehaving_child_is_a_named_rejection(
    tmp_path: Path, program: str, expected: str
) -> None:
    assert code(run_sandboxed(child(program), tmp_path, 30, nothing)) == expected


def test_a_child_that_sleeps_is_ended_with_its_own_children(tmp_path: Path) -> None:
    note = tmp_path / "grandchild"
    program = (
        "import subprocess, sys, time, pathlib\n"
        "grandchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(grandchild.pid))\n"
        "time.sleep(60)"
    )
    started = time.monotonic()

    verdict = run_sandboxed(child(program), tmp_path, 2, nothing)

    assert code(verdict) == "CONVERSION_TIMEOUT"
    assert time.monotonic() - started < 10
    wait_until(lambda: not running(int(note.read_text())), 5)


def running(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_child_sees_no_environment(tmp_path: Path) -> None:
    program = (
        "import json, os, sys\n"
        "json.dump({'accepted': True, 'summary': dict(os.environ)}, sys.stdout)"
    )

    verdict = run_sandboxed(child(program), tmp_path, 30, nothing)

    assert isinstance(verdict, Accepted)
    assert set(verdict.summary) <= {
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "HOME",
        "LC_CTYPE",
    }


def test_an_interruption_ends_the_child(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        run_sandboxed(child("import time; time.sleep(60)"), tmp_path, 30, interrupt)


def test_a_conversion_whose_parent_is_gone_does_nothing(tmp_path: Path) -> None:
    stranger = str(os.getppid())
    command = [sys.executable, "-m", "worker.conversion", stranger, "checkpoint", "/x", "/y"]

    ended = subprocess.run([*command, json.dumps(LIMITS)], check=False, capture_output=True)

    assert ended.returncode == 1
    assert ended.stdout == b""
