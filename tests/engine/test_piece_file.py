"""Pieces on their way between machines: what is written is read, anything else is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ltengine.activation import specified_activation
from ltengine.blueprint import draw_blueprint
from ltengine.device import cell_solver
from ltengine.division import Piece, Shard, build_shard, plan_wave
from ltengine.errors import EngineError
from ltengine.piece_file import load_piece, load_reads, save_piece
from tests.engine.networks import make_spec, random_network


@pytest.fixture(scope="module")
def pieces() -> list[Piece]:
    spec = make_spec("2L")
    blueprint = draw_blueprint(random_network([9, 8, 5]), specified_activation(spec), spec)
    shards = plan_wave(blueprint, 0, {}, 30)
    return [build_shard(blueprint, shard, cell_solver("cpu")) for shard in shards]


def test_a_piece_is_read_as_it_was_written(pieces: list[Piece], tmp_path: Path) -> None:
    for piece in pieces:
        save_piece(piece, tmp_path / "piece")
        read = load_piece(piece.shard, tmp_path / "piece")

        assert read.shard == piece.shard
        assert (read.mask.offsets == piece.mask.offsets).all()
        assert (read.mask.columns == piece.mask.columns).all()
        assert (read.counts.table == piece.counts.table).all()
        assert (load_reads(tmp_path / "piece") == piece.reads()).all()


def test_files_of_other_shards_and_other_files_are_refused(
    pieces: list[Piece], tmp_path: Path
) -> None:
    piece, file = pieces[0], tmp_path / "piece"
    save_piece(piece, file)
    shard = piece.shard
    longer = Shard(shard.layer, shard.first, shard.last + 1, shard.wanted + b"\0")
    other = tmp_path / "other"
    save_file({"cells": np.zeros(1, np.uint8)}, other)
    broken = tmp_path / "broken"
    broken.write_bytes(file.read_bytes()[:-5])

    for wrong, path in ((longer, file), (shard, other), (shard, broken)):
        with pytest.raises(EngineError) as refusal:
            load_piece(wrong, path)
        assert refusal.value.code == "INVALID_PIECE"
