"""The built wheel in a clean environment: the client alone, light and quick to import."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "numpy", "numba", "onnx", "pydantic", "sqlalchemy", "fastapi", "celery"}
OURS = {"ltengine", "service", "worker"}
BROUGHT = {"httpx", "httpcore", "h11", "anyio", "idna", "certifi", "typing-extensions"}
"""httpx and what it needs."""
# What httpx imports where it is installed, and a clean environment does not have.
OPTIONAL = {"rich", "click", "typer"}

pytestmark = pytest.mark.slow


def run(*command: object) -> str:
    given = [str(part) for part in command]
    done = subprocess.run(given, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the tracked files alone, by setuptools itself."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    run("git", "checkout-index", "--all", f"--prefix={source}/")
    program = "from setuptools.build_meta import build_wheel; print(build_wheel('..'))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=source, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which only the wheel and what it needs was installed."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", folder)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    run(*pip, "-c", ROOT / "constraints.txt", wheel)
    return python


def test_the_wheel_holds_the_package_its_types_and_its_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {"ltforge/py.typed", "ltforge/client.py", "ltforge/operations/jobs.py"} <= set(names)
    assert "ltengine/statistics/failure_statistics.json" in names
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]


def test_the_client_alone_brings_httpx_and_nothing_heavy(clean: Path) -> None:
    installed = run(clean, "-m", "pip", "list", "--format=freeze").lower()

    brought = {line.partition("==")[0].replace("_", "-") for line in installed.split()}
    assert brought >= {"ltforge", "httpx"}
    assert brought - {"pip", "setuptools", "ltforge"} <= BROUGHT


def test_importing_the_client_loads_nothing_heavy(clean: Path) -> None:
    program = "import ltforge; ltforge.Client; ltforge.AsyncClient; import sys; print(*sys.modules)"

    loaded = {name.partition(".")[0] for name in run(clean, "-I", "-c", program).split()}

    assert "httpx" in loaded
    assert loaded & (HEAVY | OURS | OPTIONAL) == set()


def test_the_command_names_the_extra_that_it_needs(clean: Path) -> None:
    done = subprocess.run(
        [clean.parent / "ltforge", "jobs", "list"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert 'pip install "ltforge[cli]"' in done.stderr
