"""Pieces of masks: the kept columns of some rows of a layer, read out of the ticket file.

docs/ticket-format.md defines the file. Only the header, the layer's row counts and the asked rows'
cells are read, so that a piece of a huge ticket costs little, and no numerical library is needed.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from service.errors import InvalidRequest, StorageUnavailable
from service.usecases.contents import Content

_TYPES = {"U8": "B", "U16": "H", "U32": "I", "U64": "Q"}
_COUNTS_AT_ONCE = 1 << 18


@dataclass(frozen=True, slots=True)
class MaskPiece:
    """Rows `first` ... `end - 1` of a layer; `columns` are theirs, ascending, `biases` kept or not.

    `next_row` continues where the asked rows held more cells than were allowed; else None.
    """

    layer: int
    width: int
    inputs: int
    first: int
    columns: Sequence[Sequence[int]]
    biases: Sequence[bool]
    next_row: int | None

    @property
    def end(self) -> int:
        """The row after the last."""
        return self.first + len(self.columns)


@dataclass(frozen=True, slots=True)
class StoredNumbers:
    """A tensor of whole numbers in a ticket file, read piece by piece."""

    content: Content
    begin: int
    code: str
    length: int

    def read(self, first: int, last: int) -> array[int]:
        """Elements first ... last - 1."""
        values = array(self.code)
        size = values.itemsize
        values.frombytes(_bytes(self.content, self.begin + first * size, self.begin + last * size))
        if sys.byteorder == "big":
            values.byteswap()
        return values


@dataclass(frozen=True, slots=True)
class StoredLayer:
    """A source layer in a ticket file: what the file claims of it, and where its cells lie."""

    number: int
    inputs: int
    role: str
    target_layer: int
    units: int
    block_size: int
    constants: int
    counts: StoredNumbers
    gaps: StoredNumbers
    biases: StoredNumbers

    @property
    def width(self) -> int:
        """Its neurons, one for each row."""
        return self.units * self.block_size + self.constants

    def cells_below(self, row: int, since: int = 0) -> int:
        """How many cells the rows from `since` to the one before `row` keep."""
        return sum(sum(part) for part in _parts(self.counts, row, since))

    def read_row(self, row: int) -> list[int]:
        """The kept columns of a row, ascending."""
        start = self.cells_below(row)
        (length,) = self.counts.read(row, row + 1)
        return list(accumulate(self.gaps.read(start, start + length)))


def open_layers(content: Content) -> list[StoredLayer]:
    """The layers of a ticket file, first to last."""
    begin, header = _header(content)
    claims = json.loads(header["__metadata__"]["ltforge_ticket"])
    inputs = int(claims["inputs"])
    layers: list[StoredLayer] = []
    for number, claim in enumerate(claims["layers"], start=1):
        counts, gaps, biases = (
            _tensor(content, begin, header[f"layer.{number}.{name}"])
            for name in ("counts", "gaps", "biases")
        )
        layer = StoredLayer(
            number,
            inputs,
            role=claim["role"],
            target_layer=int(claim["target_layer"]),
            units=int(claim["units"]),
            block_size=int(claim["block_size"]),
            constants=int(claim["constants"]),
            counts=counts,
            gaps=gaps,
            biases=biases,
        )
        layers.append(layer)
        inputs = layer.width
    return layers


def find_layer(layers: Sequence[StoredLayer], number: int) -> StoredLayer:
    """The layer with a number from 1; raises InvalidRequest."""
    if not 1 <= number <= len(layers):
        raise _wrong("layer", f"The ticket has layers 1 to {len(layers)}.")
    return layers[number - 1]


def read_mask_piece(
    content: Content, layer: int, rows: tuple[int, int | None], most_cells: int
) -> MaskPiece:
    """Rows of a layer (from 1), at most `most_cells` cells but at least one row.

    Raises InvalidRequest for a layer or rows that the ticket does not have.
    """
    stored = find_layer(open_layers(content), layer)
    width, (first, end) = stored.width, rows
    end = width if end is None else min(end, width)
    if not 0 <= first < end:
        raise _wrong("rows", f"Layer {layer} has rows 0:{width}; ask for at least one of them.")
    kept, end_row = _fitting(stored.counts, first, end, most_cells)
    start = stored.cells_below(first)
    steps = stored.gaps.read(start, start + sum(kept))
    columns, at = [], 0
    for count in kept:
        columns.append(list(accumulate(steps[at : at + count])))
        at += count
    packed = stored.biases.read(first // 8, (end_row + 7) // 8)
    offset = first // 8 * 8
    biases = [bool(packed[(r - offset) // 8] >> (r % 8) & 1) for r in range(first, end_row)]
    following = None if end_row == end else end_row
    return MaskPiece(layer, width, stored.inputs, first, columns, biases, following)


def _fitting(counts: StoredNumbers, first: int, end: int, most_cells: int) -> tuple[list[int], int]:
    """The cell counts of as many rows as fit, and the row after them."""
    kept: list[int] = []
    cells = 0
    for part in _parts(counts, end, first):
        for count in part:
            cells += count
            if kept and (cells > most_cells or len(kept) >= most_cells):
                return kept, first + len(kept)
            kept.append(count)
    return kept, end


def _parts(tensor: StoredNumbers, end: int, first: int = 0) -> Iterator[array[int]]:
    for begin in range(first, end, _COUNTS_AT_ONCE):
        yield tensor.read(begin, min(end, begin + _COUNTS_AT_ONCE))


def _header(content: Content) -> tuple[int, dict[str, Any]]:
    """Where the tensors begin, and the safetensors header."""
    begin = 8 + int.from_bytes(_bytes(content, 0, 8), "little")
    header: dict[str, Any] = json.loads(_bytes(content, 8, begin))
    return begin, header


def _tensor(content: Content, begin: int, entry: dict[str, Any]) -> StoredNumbers:
    first, _ = entry["data_offsets"]
    return StoredNumbers(content, begin + first, _TYPES[entry["dtype"]], entry["shape"][0])


def _bytes(content: Content, begin: int, end: int) -> bytes:
    data = b"".join(content.read(begin, end))
    if len(data) != end - begin:
        raise StorageUnavailable("The ticket file ends before it should.")
    return data


def _wrong(parameter: str, detail: str) -> InvalidRequest:
    problem = {"pointer": parameter, "code": "OUT_OF_RANGE", "detail": detail}
    return InvalidRequest(f"{parameter}: {detail}", [problem])
