"""Law 1: a cell's value depends on its address alone, and lies on the published grid."""

from __future__ import annotations

import numpy as np
import pytest

from ltengine.cell_kernel import draw_items
from ltengine.problem import FRACTION_BITS
from ltengine.source import Source


def test_values_are_odd_multiples_of_2_to_the_minus_24_and_exact_in_single_precision() -> None:
    values = Source(7).weights(2, np.arange(500)[:, None], np.arange(200))

    numerators = values * 2.0**24
    assert (numerators == np.rint(numerators)).all()
    assert (numerators.astype(np.int64) % 2 == 1).all()
    assert (np.abs(values) < 1).all()
    assert (values.astype(np.float32).astype(np.float64) == values).all()


def test_values_are_uniform() -> None:
    values = np.sort(Source(11).weights(1, np.arange(400)[:, None], np.arange(250)).reshape(-1))
    n = values.size

    distance = np.abs(np.arange(1, n + 1) / n - (values + 1) / 2).max()

    assert distance < 1.95 / np.sqrt(n)  # Kolmogorov-Smirnov at one in a thousand


def test_a_narrow_source_is_a_corner_of_a_wide_one() -> None:
    source = Source(3)
    wide = source.weights(4, np.arange(64)[:, None], np.arange(101))

    narrow = source.weights(4, np.arange(5)[:, None], np.arange(13))

    assert (narrow == wide[:5, :13]).all()


def test_layers_rows_streams_and_seeds_differ() -> None:
    rows = np.arange(1000)
    draws = [
        Source(3).weights(1, rows, np.array(0)),
        Source(4).weights(1, rows, np.array(0)),
        Source(3).weights(2, rows, np.array(0)),
        Source(3).weights(1, rows, np.array(1)),
        Source(3).biases(1, rows),
    ]

    for i, first in enumerate(draws):
        for second in draws[i + 1 :]:
            assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


@pytest.mark.parametrize("seed", [0, 1, 2**63 + 12345])
def test_the_compiled_cells_are_the_published_ones(seed: int) -> None:
    rng = np.random.default_rng(0)
    columns = np.sort(rng.integers(0, 3000, (30, 17)), axis=1)
    factors = rng.uniform(-1, 1, (30, 17))
    sizes = rng.integers(1, 18, 30)
    rows, base_sets = rng.integers(0, 10**6, 400), rng.integers(0, 30, 400)

    items = draw_items(Source(seed), 5, rows, base_sets, columns, factors, sizes, FRACTION_BITS)

    values = Source(seed).weights(5, rows[:, None], columns[base_sets]) * factors[base_sets]
    expected = np.rint(values * 2.0**FRACTION_BITS)
    expected[np.arange(17) >= sizes[base_sets][:, None]] = 0
    assert (items == expected).all()
