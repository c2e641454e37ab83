"""Dividing a construction into shards that anybody may build, in any order.

A shard is some rows of one layer of copies. What becomes of it depends on the blueprint and the
shard alone, so its piece of the mask is the same wherever it is built.

Which rows are needed is known from the target where each neuron has one copy: at most those whose
neuron some weight reads. Where a neuron has a copy for each candidate (above no carriers), only the
layer that reads the copies can tell which of them it uses. So layers come in waves: the first one
holds all layers of single copies, the others each the layers just below those of the wave before.
2L is one wave, L+1 has L. Rows that turn out to be unread are left out when pieces are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ltengine.blueprint import Blueprint
from ltengine.cell_problem import CellSolver
from ltengine.construction import Construction, walk_backwards, zero_counts
from ltengine.copies_builder import CopiesBuilder
from ltengine.errors import EngineError
from ltengine.mask import LayerMask, MaskBuilder
from ltengine.plan import LayerPlan
from ltengine.problem_counts import RowCounts
from ltengine.progress import AskCancel, ReportProgress, ignore_progress, never_cancel


@dataclass(frozen=True, slots=True)
class Shard:
    """Rows of one layer of copies that are built together.

    Attributes:
        layer: the source layer, from 1.
        first: the first row of the range.
        last: the row behind the range.
        wanted: a bit for each row of the range, lowest first: whether it is to be built.
    """

    layer: int
    first: int
    last: int
    wanted: bytes

    @property
    def is_wanted(self) -> NDArray[np.bool_]:
        """(row,) of the range, whether it is to be built."""
        bits = np.unpackbits(np.frombuffer(self.wanted, np.uint8), bitorder="little")
        return bits[: self.last - self.first].astype(np.bool_)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The rows that are to be built, ascending."""
        return self.first + np.flatnonzero(self.is_wanted)


@dataclass(frozen=True, slots=True)
class Piece:
    """What was built of a shard.

    Attributes:
        shard: what was to be built.
        mask: over the rows of the shard's range; empty in rows that were not wanted.
        counts: of the problems of the same rows.
    """

    shard: Shard
    mask: LayerMask
    counts: RowCounts

    def reads(self) -> NDArray[np.bool_]:
        """(neuron below,) whether a cell of the piece reads it."""
        read = np.zeros(self.mask.inputs, np.bool_)
        read[self.mask.used_columns()] = True
        return read


@dataclass(frozen=True, slots=True)
class StoredPiece:
    """A piece that is somewhere else until it is needed."""

    shard: Shard
    load: Callable[[], Piece]


def divide_rows(
    blueprint: Blueprint, layer: LayerPlan, rows: NDArray[np.int64], problems_per_shard: int
) -> list[Shard]:
    """Shards of about so many problems that together build ``rows`` (ascending) of a layer."""
    if rows.size == 0:
        return []
    below = blueprint.plan.layers[layer.layer - 2]
    weights = np.count_nonzero(blueprint.target(layer).weight, axis=1)
    of_row = weights[rows // layer.block_size] * below.base_sets_per_unit + 1
    before = np.cumsum(of_row) - of_row
    places = np.flatnonzero(np.diff(before // problems_per_shard, prepend=-1))
    bounds = [int(rows[place]) for place in places] + [int(rows[-1]) + 1]
    return [_shard(layer.layer, first, last, rows) for first, last in pairwise(bounds)]


def _shard(layer: int, first: int, last: int, rows: NDArray[np.int64]) -> Shard:
    wanted = np.zeros(last - first, np.bool_)
    wanted[rows[(rows >= first) & (rows < last)] - first] = True
    return Shard(layer, first, last, np.packbits(wanted, bitorder="little").tobytes())


def waves(blueprint: Blueprint) -> tuple[tuple[LayerPlan, ...], ...]:
    """The layers of copies by wave: each depends on layers of the wave before alone."""
    found: list[list[LayerPlan]] = []
    wave = 0
    for layer in reversed(blueprint.copies):
        wave = wave + 1 if layer.block_size > 1 else 0
        if wave == len(found):
            found.append([])
        found[wave].append(layer)
    return tuple(map(tuple, found))


def plan_wave(
    blueprint: Blueprint,
    wave: int,
    read: Mapping[int, NDArray[np.bool_]],
    problems_per_shard: int,
) -> list[Shard]:
    """The shards of a wave (from 0).

    Args:
        blueprint: of the construction.
        wave: its number.
        read: for each source layer of the wave before, (neuron below,) whether some piece of that
            layer reads it; a layer without pieces reads nothing.
        problems_per_shard: about how many problems a shard poses.
    """
    shards: list[Shard] = []
    for layer in waves(blueprint)[wave]:
        if layer.block_size > 1:
            nothing = np.zeros(layer.width, np.bool_)
            rows = np.flatnonzero(read.get(layer.layer + 1, nothing)[: layer.first_constant])
        else:
            rows = _read_neurons(blueprint, layer)
        shards += divide_rows(blueprint, layer, rows, problems_per_shard)
    return shards


def _read_neurons(blueprint: Blueprint, layer: LayerPlan) -> NDArray[np.int64]:
    """Neurons of a layer of single copies that the next target layer may read."""
    if layer.target_layer == len(blueprint.network.layers):
        return np.arange(layer.units)
    following = blueprint.network.layers[layer.target_layer]
    return np.flatnonzero(following.weight.any(axis=0))


def build_shard(
    blueprint: Blueprint,
    shard: Shard,
    solver: CellSolver,
    *,
    problems_per_chunk: int | None = None,
    progress: ReportProgress = ignore_progress,
    cancel: AskCancel = never_cancel,
) -> Piece:
    """Build a shard; problems without a solution are counted, and fail the merge.

    Raises:
        Canceled: ``cancel`` said so.
    """
    layer = blueprint.plan.layers[shard.layer - 1]
    height, rows, done = shard.last - shard.first, shard.rows, 0
    mask = MaskBuilder(height, blueprint.plan.widths[shard.layer - 1])
    counts = RowCounts.zero(height, layer.requirement.base_set.largest_subset)
    builder = CopiesBuilder(blueprint, layer, solver)
    for built in builder.build(rows, problems_per_chunk or solver.problems_per_chunk, cancel):
        cell_rows, cell_columns = built.cells
        mask.append(cell_rows - shard.first, cell_columns)
        built.count(counts, shard.first)
        done += built.rows.size
        progress("construct", done, rows.size)
    return Piece(shard, mask.build(np.zeros(0, np.int64)), counts)


def merge_pieces(
    blueprint: Blueprint,
    pieces: Iterable[StoredPiece],
    solver: CellSolver,
    *,
    progress: ReportProgress = ignore_progress,
) -> Construction:
    """The construction that the pieces of all shards make up, whatever their order and division.

    Raises:
        UnsolvedProblemsError: as the undivided construction, in the same words.
        EngineError: code SHARDS_INCOMPLETE, when a row is missing or two shards overlap.
    """
    ordered = sorted(pieces, key=lambda piece: (piece.shard.layer, piece.shard.first))
    merged = 0

    def fill(layer: LayerPlan, rows: NDArray[np.int64], mask: MaskBuilder) -> RowCounts:
        nonlocal merged
        own = [piece for piece in ordered if piece.shard.layer == layer.layer]
        _check_cover(layer, rows, [piece.shard for piece in own])
        counts = zero_counts(layer)
        for stored in own:
            shard = stored.shard
            inside = rows[(rows >= shard.first) & (rows < shard.last)] - shard.first
            if inside.size:
                _append(stored.load(), inside, mask, counts)
            merged += 1
            progress("merge", merged, len(ordered))
        return counts

    return walk_backwards(blueprint, fill, solver)


def _append(piece: Piece, rows: NDArray[np.int64], mask: MaskBuilder, counts: RowCounts) -> None:
    """Add rows of a piece (counted within it) to a layer's mask and counts."""
    first, last = piece.shard.first, piece.shard.last
    cells, columns = np.diff(piece.mask.offsets), piece.mask.columns
    kept = np.zeros(last - first, np.bool_)
    kept[rows] = True
    if cells[~kept].any():
        columns = columns[np.repeat(kept, cells)]
        cells = cells * kept
    mask.append_rows(first, cells, columns)
    counts.table[first:last][kept] = piece.counts.table[kept]


def _check_cover(layer: LayerPlan, rows: NDArray[np.int64], shards: Sequence[Shard]) -> None:
    """Raise EngineError unless each of the rows is in one shard, and no two shards overlap."""
    covered = np.zeros(layer.first_constant, np.bool_)
    end = 0
    for shard in shards:
        if shard.first < end or not shard.first < shard.last <= layer.first_constant:
            raise EngineError(
                f"the shards of source layer {layer.layer} overlap or are no rows of it: plan "
                "them once, by plan_wave",
                code="SHARDS_INCOMPLETE",
            )
        covered[shard.first : shard.last] = shard.is_wanted
        end = shard.last
    missing = int(np.count_nonzero(~covered[rows]))
    if missing:
        raise EngineError(
            f"{missing} rows of source layer {layer.layer} were built by no shard: build all "
            "shards of every wave before they are merged",
            code="SHARDS_INCOMPLETE",
        )
