"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["ltengine", "service", "worker", "ltforge"]
LONGEST_FUNCTION = 70
LONGEST_FILE = 400
VAGUE_NAMES = {"utils", "helpers", "common", "core", "manager", "misc"}


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_FILE
    assert path.stem not in VAGUE_NAMES
    for function in functions(ast.parse(text)):
        assert function.end_lineno is not None
        assert function.end_lineno - function.lineno < LONGEST_FUNCTION, function.name


def test_the_engine_draws_random_numbers_from_its_own_generator_alone() -> None:
    for path in sorted((ROOT / "ltengine").rglob("*.py")):
        calls = re.findall(r"random\.(?:default_rng|seed|rand\w*)|torch\.rand", path.read_text())
        assert not calls, path


def test_the_engine_reads_no_clock_and_no_environment() -> None:
    for path in sorted((ROOT / "ltengine").rglob("*.py")):
        assert not re.search(r"^import (time|os|datetime)\b|environ", path.read_text(), re.M), path


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sorted(m.split('.')[0] for m in sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import ltengine.specification", {"torch", "numba", "numpy"}),
        ("import ltforge", {"torch", "numba", "numpy", "pydantic", "sqlalchemy", "fastapi"}),
        ("import service.api.application", {"torch", "numba", "numpy", "onnx", "celery"}),
        ("import worker.celery_app", {"torch", "numba", "numpy", "onnx"}),
        ("import ltengine.construction", {"torch"}),
    ],
)
def test_heavy_libraries_stay_where_they_belong(statement: str, forbidden: set[str]) -> None:
    assert not loaded_after(statement) & forbidden


def test_the_repository_speaks_of_the_project_alone() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".sh", ""}:
            assert not re.search(r"/(work|farm)/[a-z.]", path.read_text(errors="ignore")), name
