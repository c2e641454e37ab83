"""Pieces as files: what one machine built of a construction, on its way to who merges it.

A safetensors file with the mask coded as in a ticket, the counts of each row's problems, and a bit
for each neuron below that some cell reads, so that the next wave can be planned from that alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ltengine.division import Piece, Shard
from ltengine.errors import EngineError
from ltengine.mask_coding import decode_mask, encode_gaps, narrowest
from ltengine.problem_counts import RowCounts

_READS, _INPUTS = "reads", "inputs"


def save_piece(piece: Piece, path: Path) -> None:
    """Write a piece."""
    mask = piece.mask
    gaps = np.concatenate([np.zeros(0, np.int32), *encode_gaps(mask)])
    cells = np.diff(mask.offsets)
    save_file(
        {
            "cells": cells.astype(narrowest(int(cells.max()))),
            "gaps": gaps.astype(narrowest(int(gaps.max(initial=0)))),
            "problems": piece.counts.table,
            _READS: np.packbits(piece.reads(), bitorder="little"),
            _INPUTS: np.array([mask.inputs]),
        },
        path,
    )


def load_piece(shard: Shard, path: Path) -> Piece:
    """The piece that was built of a shard.

    Raises:
        EngineError: code INVALID_PIECE, the file is none or of another shard.
    """
    height = shard.last - shard.first
    try:
        with safe_open(path, framework="numpy") as file:
            cells, gaps = file.get_tensor("cells"), file.get_tensor("gaps")
            table, inputs = file.get_tensor("problems"), int(file.get_tensor(_INPUTS)[0])
        no_biases = np.zeros((height + 7) // 8, np.uint8)
        mask = decode_mask(shard.layer, height, inputs, cells, gaps, no_biases)
    except (SafetensorError, EngineError) as failure:
        raise EngineError(f"not the piece of this shard: {failure}", code="INVALID_PIECE") from (
            failure
        )
    if table.shape[0] != height:
        raise EngineError(
            f"a piece of {table.shape[0]} rows, not {height}: of another shard",
            code="INVALID_PIECE",
        )
    return Piece(shard, mask, RowCounts(table))


def load_reads(path: Path) -> NDArray[np.bool_]:
    """(neuron below,) whether a cell of the piece in a file reads it."""
    with safe_open(path, framework="numpy") as file:
        bits = np.unpackbits(file.get_tensor(_READS), bitorder="little")
        return bits[: int(file.get_tensor(_INPUTS)[0])].astype(np.bool_)
