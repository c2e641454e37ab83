"""Text from untrusted files."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from service.domain import Problem
from worker.plain_text import plain, plain_document, plain_problem


@given(st.text(st.characters()))
def test_any_text_becomes_storable(text: str) -> None:
    shown = plain(text)

    shown.encode("utf-8")
    assert shown.isprintable() or not any(ord(letter) < 32 for letter in shown)
    assert "\x00" not in shown
    assert len(shown) <= 2000


def test_ordinary_text_stays() -> None:
    assert plain("layer 2 (größe 3×4): weight[1, 2] is NaN") == (
        "layer 2 (größe 3×4): weight[1, 2] is NaN"
    )


def test_a_problem_fits_its_columns() -> None:
    assert plain_problem("X" * 100, "a\x00b\ud800") == Problem("X" * 64, "a\ufffdb\ufffd")


def test_documents_are_cleaned_throughout() -> None:
    document = {"layers": [{"name\x1b[2J": "\ud800", "inputs": 3, "bias": None}]}

    cleaned = plain_document(document)

    assert cleaned == {"layers": [{"name\ufffd[2J": "\ufffd", "inputs": 3, "bias": None}]}
    json.dumps(cleaned, ensure_ascii=False).encode()
