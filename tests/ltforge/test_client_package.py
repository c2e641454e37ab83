"""The package's face: what it exports, and how little importing it costs."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import ltforge
from ltforge import errors

ROOT = Path(__file__).resolve().parents[2]


def _modules_after(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules, sep='\\n')"
    answer = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in answer.stdout.split()}


def test_every_exported_name_exists_and_says_what_it_is() -> None:
    for name in ltforge.__all__:
        value = getattr(ltforge, name)
        assert name == "__version__" or value.__doc__, name


def test_every_error_is_exported_and_drawn_in_the_tree() -> None:
    tree = errors.__doc__ or ""
    classes = [
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]

    assert set(classes) <= set(ltforge.__all__)
    assert [name for name in classes if name not in tree] == []


def test_the_version_is_the_distributions() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert ltforge.__version__ == project["version"]


def test_importing_the_package_loads_nothing_else() -> None:
    assert "httpx" not in _modules_after("import ltforge")


def test_the_client_needs_httpx_and_neither_engine_nor_server() -> None:
    loaded = _modules_after("from ltforge import Client, Job, UploadRejectedError")

    heavy = {"torch", "numpy", "pydantic", "typer", "fastapi", "sqlalchemy", "celery"}
    ours = {"ltengine", "service", "worker"}
    assert "httpx" in loaded
    assert loaded & (heavy | ours) == set()
