"""The demo, as ``make demo`` runs it: works without our data, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MARK = "DEMO_TEST_MARK"

pytestmark = pytest.mark.slow


@contextmanager
def demo(folder: Path, mark: str) -> Iterator[subprocess.Popen[str]]:
    """The demo with ``folder`` as its place, every process of it recognisable by ``mark``."""
    (folder / "tmp").mkdir()
    environment = {
        **os.environ,
        MARK: mark,
        "LTFORGE_DEMO_SHARED": str(folder / "absent"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(ROOT),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "ltforge.demo"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def processes_with(mark: str) -> list[str]:
    """Command lines of running processes that inherited the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
    return found


def assert_nothing_runs(mark: str) -> None:
    """What was killed last may take a moment to go."""
    deadline = time.monotonic() + 10
    while left := processes_with(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_the_demo_builds_two_valid_tickets_of_a_network_it_trains_itself(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex

    with demo(tmp_path, mark) as process:
        output, _ = process.communicate(timeout=280)

    assert process.returncode == 0, output
    assert "a 64-32-10 ReLU network on 450 held-out digits" in output
    assert output.count("verified offline") == 2
    assert "same spec again, same digest" in output
    unsolved = next(line for line in output.splitlines() if "unsolved" in line)
    assert [cell.strip() for cell in unsolved.split("│")[2:4]] == ["0", "0"]
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == [
        ".demo",
        ".demo/ticket-2L.safetensors",
        ".demo/ticket-L+1.safetensors",
        "tmp",
    ]
    assert_nothing_runs(mark)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "term"]
)
def test_an_interrupted_demo_leaves_nothing_running_and_no_files(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    mark = uuid.uuid4().hex

    with demo(tmp_path, mark) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("serving"):
                break
        assert len(processes_with(mark)) > 1
        process.send_signal(number)
        rest = process.stdout.read()
        process.wait(60)

    assert process.returncode == status, rest
    assert list((tmp_path / "tmp").iterdir()) == []
    assert_nothing_runs(mark)
