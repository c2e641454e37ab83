"""A mask's cells as small numbers: how many each row has, and the gaps between their columns."""

from __future__ import annotations

from collections.abc import Iterator

import numba
import numpy as np
from numpy.typing import NDArray

from ltengine.errors import TicketFormatError
from ltengine.mask import LayerMask

CELLS_PER_CHUNK = 1 << 22
Unsigned = NDArray[np.unsignedinteger]


def _row_chunks(offsets: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of rows with about CELLS_PER_CHUNK cells each, or one longer row."""
    first, rows = 0, offsets.size - 1
    while first < rows:
        last = int(np.searchsorted(offsets, offsets[first] + CELLS_PER_CHUNK, "right")) - 1
        last = min(max(last, first + 1), rows)
        yield first, last
        first = last


def narrowest(largest: int) -> np.dtype[np.unsignedinteger]:
    """The narrowest of uint8, uint16, uint32 and uint64 that holds 0 ... ``largest``."""
    return np.min_scalar_type(largest)


@numba.njit(cache=True)
def _gaps(offsets, columns):  # type: ignore[no-untyped-def]
    gaps = np.empty(offsets[-1] - offsets[0], np.int32)
    for row in range(offsets.size - 1):
        before = np.int32(0)
        for c in range(offsets[row], offsets[row + 1]):
            gaps[c - offsets[0]] = columns[c] - before
            before = columns[c]
    return gaps


def encode_gaps(mask: LayerMask) -> Iterator[NDArray[np.int32]]:
    """(cell,) each row's first column, then the steps to its next ones; in chunks of rows."""
    for first, last in _row_chunks(mask.offsets):
        yield _gaps(mask.offsets[first : last + 1], mask.columns)


@numba.njit(cache=True)
def _sum_gaps(offsets, gaps, inputs, columns):  # type: ignore[no-untyped-def]
    """Fill the columns; False where they do not ascend within ``inputs``."""
    for row in range(offsets.size - 1):
        column, least = np.int64(0), 0
        for c in range(offsets[row] - offsets[0], offsets[row + 1] - offsets[0]):
            # a gap past int64 becomes negative, which is refused
            gap = np.int64(gaps[c])
            if gap < least or gap >= inputs - column:
                return False
            column += gap
            columns[c] = column
            least = 1
    return True


def decode_mask(
    layer: int, width: int, inputs: int, counts: Unsigned, gaps: Unsigned, packed: Unsigned
) -> LayerMask:
    """The mask that these tensors of a ticket file describe.

    Args:
        layer: its number, for messages.
        width: its rows.
        inputs: its columns.
        counts: (row,) cells of each row.
        gaps: (cell,) each row's first column, then the steps to its next ones.
        packed: (width / 8, rounded up) uint8, the bias bits, lowest first.

    Raises:
        TicketFormatError: they do not describe one.
    """
    if counts.shape == (width,) and counts.max() > inputs:
        raise _not_ascending(layer, inputs)
    if counts.shape != (width,) or gaps.shape != (counts.sum(dtype=np.int64),):
        raise TicketFormatError(
            f"layer {layer}: counts {counts.shape} and gaps {gaps.shape} do not fit width {width}",
            code="MASK_SHAPE",
        )
    if packed.dtype != np.uint8 or packed.shape != ((width + 7) // 8,):
        raise TicketFormatError(f"layer {layer}: wrong bias bits", code="MASK_SHAPE")
    bits = np.unpackbits(packed, bitorder="little")
    if bits[width:].any():
        raise TicketFormatError(f"layer {layer}: bias bits past the last row", code="MASK_SHAPE")
    offsets = np.zeros(width + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    columns = np.empty(gaps.size, np.int32)
    for first, last in _row_chunks(offsets):
        inside = slice(int(offsets[first]), int(offsets[last]))
        if not _sum_gaps(offsets[first : last + 1], gaps[inside], inputs, columns[inside]):
            raise _not_ascending(layer, inputs)
    return LayerMask(width, inputs, offsets, columns, bits[:width].astype(np.bool_))


def _not_ascending(layer: int, inputs: int) -> TicketFormatError:
    return TicketFormatError(
        f"layer {layer}: columns are not ascending within {inputs}", code="MASK_COLUMNS"
    )
