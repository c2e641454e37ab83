"""Masks as pictures: how many cells a layer keeps in each rectangle of a grid over it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from service.errors import InvalidRequest
from service.usecases.contents import Content
from service.usecases.masks import StoredLayer, find_layer, open_layers

MOST_CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class Region:
    """Rows top ... bottom - 1 and columns left ... right - 1 of a layer."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def rows(self) -> int:
        """How many rows."""
        return self.bottom - self.top

    @property
    def columns(self) -> int:
        """How many columns."""
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class MaskPicture:
    """Shares of kept cells, pixel row after pixel row.

    `every` is 1 where all rows were counted; else about one row in so many stands for the others.
    """

    height: int
    width: int
    shares: Sequence[float]
    kept: int
    every: int


def draw_mask(content: Content, layer: int, region: Region, height: int, width: int) -> MaskPicture:
    """A picture of at most so many pixels; one pixel is one cell where the part is small.

    Raises InvalidRequest for a part that the layer does not have.
    """
    stored = find_layer(open_layers(content), layer)
    check_region(stored, region)
    height, width = min(height, region.rows), min(width, region.columns)
    start = stored.cells_below(region.top)
    cells = stored.cells_below(region.bottom, region.top)
    every = rows_sampled(cells)
    shares: list[float] = []
    kept = 0
    for band in range(height):
        first = region.top + band * region.rows // height
        last = region.top + (band + 1) * region.rows // height
        counted = first + math.ceil((last - first) / every)
        counts = _count_band(stored, (first, counted), start, region, width)
        kept += sum(counts)
        start += stored.cells_below(last, first)
        shares += [
            number / ((counted - first) * _pixel_columns(region, pixel, width))
            for pixel, number in enumerate(counts)
        ]
    return MaskPicture(height, width, shares, kept, every)


def rows_sampled(cells: int) -> int:
    """One row in so many is counted where rows keep so many cells: 1 unless there are many."""
    return max(1, math.ceil(cells / MOST_CELLS))


def check_region(stored: StoredLayer, region: Region) -> None:
    """Raise InvalidRequest unless the region is a part of the layer."""
    if (
        0 <= region.top < region.bottom <= stored.width
        and 0 <= region.left < region.right <= stored.inputs
    ):
        return
    detail = f"Layer {stored.number} has rows 0:{stored.width} and columns 0:{stored.inputs}."
    problem = {"pointer": "rows", "code": "OUT_OF_RANGE", "detail": detail}
    raise InvalidRequest(f"rows, columns: {detail}", [problem])


def _count_band(
    stored: StoredLayer, rows: tuple[int, int], start: int, region: Region, width: int
) -> list[int]:
    """Kept cells of some rows by pixel; `start` is the number of cells in all rows before."""
    lengths = stored.counts.read(*rows)
    steps = stored.gaps.read(start, start + sum(lengths))
    counts = [0] * width
    at, left, right, columns = 0, region.left, region.right, region.columns
    for length in lengths:
        for column in accumulate(steps[at : at + length]):
            if left <= column < right:
                counts[(column - left) * width // columns] += 1
        at += length
    return counts


def _pixel_columns(region: Region, pixel: int, width: int) -> int:
    """How many columns c have (c - left) * width // columns equal to the pixel."""
    first = -(-pixel * region.columns // width)
    last = -(-(pixel + 1) * region.columns // width)
    return last - first
