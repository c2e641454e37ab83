"""Row-compressed masks, whatever order and portions their cells come in."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ltengine.mask import LayerMask, MaskBuilder

WIDTH, INPUTS = 9, 40


@settings(deadline=None)  # the first example may compile
@given(
    cells=st.sets(st.tuples(st.integers(0, WIDTH - 1), st.integers(0, INPUTS - 1))),
    cuts=st.lists(st.integers(0, WIDTH), max_size=3),
    bias_rows=st.sets(st.integers(0, WIDTH - 1)),
    shuffle=st.randoms(use_true_random=False),
)
def test_a_mask_is_its_cells_in_order(
    cells: set[tuple[int, int]], cuts: list[int], bias_rows: set[int], shuffle: Random
) -> None:
    builder = MaskBuilder(WIDTH, INPUTS)
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), WIDTH], strict=True):
        part = [cell for cell in cells if first <= cell[0] < last]
        shuffle.shuffle(part)
        builder.append(*np.array(part, np.int64).reshape(-1, 2).T)

    mask = builder.build(np.array(sorted(bias_rows), np.int64))

    assert list(zip(mask.rows().tolist(), mask.columns.tolist(), strict=True)) == sorted(cells)
    assert mask.columns.dtype == np.int32
    assert mask.offsets[-1] == len(cells)
    assert mask.cells == len(cells) + len(bias_rows)
    assert mask.used_columns().tolist() == sorted({column for _, column in cells})
    assert np.flatnonzero(mask.biases).tolist() == sorted(bias_rows)


def test_a_mask_without_cells() -> None:
    nothing = np.zeros(0, np.int64)
    mask = LayerMask.from_cells(3, 4, nothing, nothing, nothing)

    assert mask.offsets.tolist() == [0, 0, 0, 0]
    assert mask.used_columns().size == 0
