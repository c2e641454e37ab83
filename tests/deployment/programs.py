"""What a container runs, held against the programs that there are."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path


def assert_program_of_ours(command: Sequence[str]) -> None:
    """It is uvicorn with a factory that exists, or a module of ours that is a program."""
    program, *arguments = command
    if program == "uvicorn":
        module, _, factory = arguments[0].partition(":")
        assert "--factory" in arguments
        assert callable(getattr(importlib.import_module(module), factory))
        return
    assert [program, arguments[0]] == ["python", "-m"]
    spec = importlib.util.find_spec(arguments[1])
    assert spec is not None
    assert spec.origin is not None
    assert 'if __name__ == "__main__":' in Path(spec.origin).read_text()
