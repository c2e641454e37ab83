"""The notebooks of examples/ run from the first cell to the last, as they are."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))

pytestmark = [
    pytest.mark.slow,
    # The kernel's messages come over sockets that pyzmq leaves to the interpreter to close.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "saved without outputs"

    NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": EXAMPLES}}
    ).execute()

    shown = [
        output["data"]["text/html"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "text/html" in output.get("data", {})
    ]
    assert shown, "records show themselves as tables"


def test_there_are_two() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"first_ticket", "sweep"}
