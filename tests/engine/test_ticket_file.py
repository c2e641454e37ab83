"""The ticket file: it reads back as it was, and anything altered is refused by name."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from ltengine.activation import RELU
from ltengine.errors import TicketFormatError
from ltengine.mask import LayerMask
from ltengine.mask_coding import CELLS_PER_CHUNK, decode_mask
from ltengine.role import Role
from ltengine.source import Pairing, Source
from ltengine.sparse_network import rebuild
from ltengine.ticket import Ticket, TicketLayer
from ltengine.ticket_file import METADATA_KEY, read_ticket_bytes, ticket_to_bytes
from tests.engine.networks import CONSTRUCTIONS, construct_ticket, make_spec, random_network

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def ticket_bytes() -> bytes:
    ticket, _ = construct_ticket(random_network([6, 5, 3]), make_spec("L+1"))
    return ticket_to_bytes(ticket)[0]


@pytest.mark.parametrize("construction", CONSTRUCTIONS)
def test_a_ticket_reads_back_as_it_was(construction: str) -> None:
    ticket, _ = construct_ticket(random_network([6, 5, 3]), make_spec(construction))
    data, digest = ticket_to_bytes(ticket)

    again, read_digest = read_ticket_bytes(data)

    assert read_digest == digest
    assert data == save(load(data), metadata=_safetensors_metadata(data))
    assert ticket_to_bytes(again) == (data, digest)
    for layer, other in zip(ticket.layers, again.layers, strict=True):
        assert layer.describe() == other.describe()
        assert (layer.mask.columns == other.mask.columns).all()
        assert (layer.mask.offsets == other.mask.offsets).all()
        assert (layer.mask.biases == other.mask.biases).all()


@settings(deadline=None)  # the first example may compile
@given(
    masks=st.lists(st.tuples(st.integers(1, 30), st.sets(st.integers(0, 70_000))), min_size=1),
    chunk=st.sampled_from([1, 7, CELLS_PER_CHUNK]),
)
def test_any_mask_reads_back_in_portions_of_any_size(
    masks: list[tuple[int, set[int]]], chunk: int
) -> None:
    """Row counts and gaps of one and of two bytes, empty rows and layers."""
    layers, inputs = [], 3_000
    for width, keys in masks:
        cells = np.array(sorted(keys), np.int64)
        cells = cells[cells < width * inputs]
        mask = LayerMask.from_cells(width, inputs, cells // inputs, cells % inputs, cells[:0])
        layers.append(TicketLayer(Role.COPIES, 1, width, 1, 0, RELU, 1.0, Pairing.NONE, mask))
        inputs = width
    ticket = Ticket(3_000, tuple(layers), Source(5), {}, "digest", "version")

    with mock.patch("ltengine.mask_coding.CELLS_PER_CHUNK", chunk):
        data, digest = ticket_to_bytes(ticket)
        again, _ = read_ticket_bytes(data)

    assert (data, digest) == ticket_to_bytes(ticket)
    assert data == save(load(data), metadata=_safetensors_metadata(data))
    for layer, other in zip(layers, again.layers, strict=True):
        assert (layer.mask.columns == other.mask.columns).all()
        assert (layer.mask.offsets == other.mask.offsets).all()


@pytest.mark.parametrize(
    ("counts", "gaps", "code"),
    [
        ([2, 1], [0, 0, 3], "MASK_COLUMNS"),
        ([2, 1], [5, 5, 3], "MASK_COLUMNS"),
        ([2, 1], [1, 2**64 - 1, 3], "MASK_COLUMNS"),
        ([2, 1], [2**64 - 1, 2, 3], "MASK_COLUMNS"),
        ([2**64 - 1, 4], [0, 1, 1], "MASK_COLUMNS"),
        ([2, 1], [0, 1], "MASK_SHAPE"),
        ([3], [0, 1, 1], "MASK_SHAPE"),
    ],
)
def test_cells_that_are_none_are_refused(counts: list[int], gaps: list[int], code: str) -> None:
    with pytest.raises(TicketFormatError) as caught:
        decode_mask(
            1, 2, 10, np.array(counts, np.uint64), np.array(gaps, np.uint64), np.zeros(1, np.uint8)
        )

    assert caught.value.code == code


def _safetensors_metadata(data: bytes) -> dict[str, str]:
    (length,) = struct.unpack("<Q", data[:8])
    metadata: dict[str, str] = json.loads(data[8 : 8 + length])["__metadata__"]
    return metadata


def _rewritten(data: bytes, change: Any) -> bytes:
    """The same file with changed metadata and tensors, and the old digest."""
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][METADATA_KEY])
    tensors = load(data)
    change(metadata, tensors)
    return save(tensors, metadata={METADATA_KEY: json.dumps(metadata)})


@pytest.mark.parametrize("place", [3, 20, 200, -1, -40, -400])
def test_a_flipped_bit_is_refused(ticket_bytes: bytes, place: int) -> None:
    altered = bytearray(ticket_bytes)
    altered[place] ^= 1

    with pytest.raises(TicketFormatError) as caught:
        read_ticket_bytes(bytes(altered))

    assert caught.value.code in {"DIGEST_MISMATCH", "NOT_A_TICKET", "INVALID_SAFETENSORS"}


@pytest.mark.parametrize("length", [0, 4, 100, 3000, -1])
def test_a_truncated_file_is_refused(ticket_bytes: bytes, length: int) -> None:
    with pytest.raises(TicketFormatError) as caught:
        read_ticket_bytes(ticket_bytes[:length])

    assert caught.value.code in {"NOT_A_TICKET", "INVALID_SAFETENSORS"}


def test_an_added_cell_is_refused(ticket_bytes: bytes) -> None:
    def add(_: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        tensors["layer.2.gaps"] = np.append(tensors["layer.2.gaps"], np.uint16(1))
        tensors["layer.2.counts"][-1] += 1

    with pytest.raises(TicketFormatError) as caught:
        read_ticket_bytes(_rewritten(ticket_bytes, add))

    assert caught.value.code == "DIGEST_MISMATCH"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("format", "other", "FORMAT_VERSION"),
        ("format_version", 2, "FORMAT_VERSION"),
        ("extra", 1, "METADATA_FIELDS"),
        ("target_digest", "0" * 64, "DIGEST_MISMATCH"),
    ],
)
def test_changed_metadata_is_refused(
    ticket_bytes: bytes, field: str, value: Any, code: str
) -> None:
    altered = _rewritten(ticket_bytes, lambda metadata, _: metadata.update({field: value}))

    with pytest.raises(TicketFormatError) as caught:
        read_ticket_bytes(altered)

    assert caught.value.code == code


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_that_is_none_is_refused(ticket_bytes: bytes, number: float) -> None:
    altered = _rewritten(
        ticket_bytes, lambda metadata, _: metadata["layers"][0].update(scale=number)
    )

    with pytest.raises(TicketFormatError, match="no number") as caught:
        read_ticket_bytes(altered)

    assert caught.value.code == "METADATA_FIELDS"


def test_bytes_of_another_kind_are_refused() -> None:
    for data in (b"", b"hello", b"\xff" * 64, save({"a": np.zeros(3)})):
        with pytest.raises(TicketFormatError) as caught:
            read_ticket_bytes(data)

        assert caught.value.code == "NOT_A_TICKET"


@pytest.mark.parametrize("initialization", ["convenient", "looks_linear"])
def test_the_documented_loader_rebuilds_the_ticket_with_numpy_alone(
    initialization: str, tmp_path: Path
) -> None:
    """The code block of docs/ticket-format.md, run as a reader would run it."""
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "ticket-format.md").read_text(), re.DOTALL)
    spec = make_spec("L+1", source={"initialization": initialization})
    ticket_bytes, _ = ticket_to_bytes(construct_ticket(random_network([6, 5, 3]), spec)[0])
    path = tmp_path / "ticket.safetensors"
    path.write_bytes(ticket_bytes)
    scope: dict[str, Any] = {}
    exec(code, scope)

    layers = scope["load_ticket"](path)

    expected = rebuild(read_ticket_bytes(ticket_bytes)[0])
    assert len(layers) == len(expected)
    for (rows, columns, values, biases), layer in zip(layers, expected, strict=True):
        assert (rows == layer.rows).all()
        assert (columns == layer.columns).all()
        assert (values == layer.values).all()
        assert (biases == layer.biases).all()
