"""Text that came out of untrusted files, made fit for databases, logs and terminals."""

from __future__ import annotations

import unicodedata
from typing import Any

from service.domain import Problem

_LONGEST_CODE = 64
_LONGEST_TEXT = 2000
_UNFIT = {"Cc", "Cs"}


def plain(text: str, longest: int = _LONGEST_TEXT) -> str:
    """The text without control characters and lone surrogates, cut to a length.

    PostgreSQL refuses NUL in text, UTF-8 refuses surrogates, and terminals obey escape sequences.
    """
    shown = (
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in _UNFIT else letter
        for letter in text[:longest]
    )
    return "".join(shown)


def plain_problem(code: str, detail: str) -> Problem:
    """A problem whose words were influenced by an uploaded file."""
    return Problem(plain(code, _LONGEST_CODE), plain(detail))


def plain_document(document: Any) -> Any:
    """A JSON document with all its text made plain."""
    match document:
        case str():
            return plain(document)
        case list():
            return [plain_document(part) for part in document]
        case dict():
            return {plain(name): plain_document(part) for name, part in document.items()}
        case _:
            return document
