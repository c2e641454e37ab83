"""What commands are given: files that must be there, and a spec in one of three forms."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ltforge.command_line.failures import CommandError


def existing_file(path: Path, what: str) -> Path:
    """The path, if a file is there."""
    if not path.is_file():
        raise CommandError("FILE_NOT_FOUND", f"there is no {what} file at {path}")
    return path


def writable_place(path: Path, *, inputs: Iterable[Path]) -> Path:
    """The path, if a file could be written there without losing an input; said before any work."""
    if not path.parent.is_dir():
        raise CommandError("FOLDER_NOT_FOUND", f"{path.parent} is not a folder; create it first")
    if path.is_dir():
        raise CommandError("NOT_A_FILE", f"{path} is a folder; name a file to write the ticket to")
    if path.exists() and any(path.samefile(source) for source in inputs):
        raise CommandError(
            "WOULD_OVERWRITE_INPUT", f"{path} is an input; name another file for the ticket"
        )
    return path


def read_spec(argument: str) -> dict[str, Any]:
    """The construction spec from a file's path, from stdin (``-``), or from inline JSON (``{...``).

    Raises:
        CommandError: it is not there, or not a JSON object.
    """
    text, origin = _spec_text(argument)
    try:
        document = json.loads(text, object_pairs_hook=_unique_keys)
    except ValueError as error:
        raise CommandError(
            "SPEC_NOT_JSON", f"the spec {origin} is not JSON ({error}); it must be a JSON object"
        ) from error
    if not isinstance(document, dict):
        raise CommandError(
            "SPEC_NOT_AN_OBJECT",
            f"the spec {origin} must be a JSON object, "
            'for example {"construction": "L+1", "activation": {"name": "relu"}}',
        )
    return document


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise CommandError("DUPLICATE_KEY", f"the spec gives {twice!r} twice; keep one of them")
    return found


def _spec_text(argument: str) -> tuple[str, str]:
    if argument == "-":
        return sys.stdin.read(), "on stdin"
    if argument.lstrip().startswith("{"):
        return argument, "on the command line"
    path = existing_file(Path(argument), "spec")
    try:
        return path.read_text(encoding="utf-8"), f"in {path}"
    except UnicodeDecodeError as error:
        raise CommandError("SPEC_NOT_JSON", f"the spec in {path} is not UTF-8 text") from error


def read_sweep(arguments: Iterable[str]) -> dict[str, Any]:
    """The swept fields from arguments like ``tolerance.parameter=[0.01, 0.02]``.

    Raises:
        CommandError: one is not a field with a JSON list or range.
    """
    swept: dict[str, Any] = {}
    for argument in arguments:
        field, _, text = argument.partition("=")
        try:
            values = json.loads(text)
        except ValueError:
            values = None
        if not isinstance(values, list | dict):
            raise CommandError(
                "SWEEP_NOT_JSON",
                f"{argument!r} must be FIELD=VALUES with a JSON list or range, "
                "for example tolerance.parameter=[0.01,0.02]",
            )
        swept[field] = values
    return swept
