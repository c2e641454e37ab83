"""docs/theory.md: its table of activations is true and sharp."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ltengine.activation import ACTIVATIONS, named_activation


def theory_document() -> str:
    return (Path(__file__).parents[2] / "docs" / "theory.md").read_text()


def stated_laws() -> list[tuple[str, list[float]]]:
    """The rows of the document's table of activations: name and numbers."""
    rows = []
    for line in theory_document().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 11 and cells[0] != "name" and not cells[0].startswith("-"):
            numbers = [float(Fraction(c)) if "/" in c else float(c) for c in cells[1:]]
            rows.append((cells[0], numbers))
    return rows


def test_the_table_of_activations_is_complete() -> None:
    carriers = {name for name, a in ACTIVATIONS.items() if a.represents_identity}

    assert {name for name, _ in stated_laws()} == carriers | {"leaky_relu", "prelu"}


@pytest.mark.parametrize(("name", "numbers"), stated_laws(), ids=lambda v: str(v)[:12])
def test_stated_laws_hold_and_are_sharp(name: str, numbers: list[float]) -> None:
    m_plus, m_minus, intercept, lipschitz, *laws = numbers
    activation = named_activation(name)
    up = np.geomspace(1e-3, 50, 4000)
    positive, negative = activation.value(up), activation.value(-up)
    deviation = np.maximum(
        np.abs(positive - intercept - m_plus * up), np.abs(negative - intercept + m_minus * up)
    )
    paired = np.abs(positive - negative - (m_plus + m_minus) * up)
    x = np.linspace(-8, 8, 100001)
    slopes = np.abs(np.diff(activation.value(x)) / np.diff(x))

    for observed, (coefficient, power, radius) in ((deviation, laws[:3]), (paired, laws[3:])):
        inside = up <= radius
        law = coefficient * up**power
        assert (observed[inside] <= law[inside] * (1 + 1e-9) + 1e-12).all()
        if coefficient > 0:
            assert (observed / law).max() > 0.99
    assert (activation.m_plus, activation.m_minus) == pytest.approx((m_plus, m_minus))
    assert (activation.intercept, activation.lipschitz) == pytest.approx((intercept, lipschitz))
    assert 0.98 * lipschitz < slopes.max() <= lipschitz * (1 + 1e-9)
