"""Every error lies in the bin whose edges enclose it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ltengine.error_histogram import SMALLEST, ErrorHistogram

ERRORS = st.lists(
    st.one_of(
        st.floats(SMALLEST, 100.0),
        st.just(0.0),
        # edges themselves
        st.builds(lambda k, j: 2.0**k * (1 + j / 4), st.integers(-40, 4), st.integers(0, 3)),
    ),
    max_size=40,
)


@given(ERRORS, st.integers(0, 40))
def test_bins_hold_what_lies_between_their_edges(errors: list[float], cut: int) -> None:
    histogram = ErrorHistogram()
    histogram.add(np.array(errors[:cut], np.float64))
    histogram.add(np.array(errors[cut:], np.float64))

    found = histogram.to_document()

    edges, counts = found["edges"], found["counts"]
    positive = [error for error in errors if error > 0]
    assert sum(counts) == len(positive)
    if positive:
        expected = [
            sum(low <= error < high for error in positive)
            for low, high in itertools.pairwise(edges)
        ]
        assert counts == expected
        assert counts[0] > 0
        assert counts[-1] > 0


def test_nothing_is_an_empty_histogram() -> None:
    assert ErrorHistogram().to_document() == {"edges": [], "counts": []}
