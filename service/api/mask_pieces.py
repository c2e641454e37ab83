"""Pieces of masks over HTTP: some rows of a layer, so that nobody needs the whole file."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

from fastapi import Query
from fastapi.responses import Response

from service.api.downloads import FOREVER, Conditions, check_conditions, disposition
from service.api.mask_formats import pack_bits, pack_npz
from service.api.schemas import MaskPieceResource
from service.errors import InvalidRequest
from service.usecases.contents import Content
from service.usecases.masks import MaskPiece, read_mask_piece

MOST_JSON_CELLS = 100_000
MOST_BINARY_CELLS = 2_000_000
MOST_PACKED_BYTES = 64 << 20

PIECE_FORMATS = (
    f"`json`, the default (at most {MOST_JSON_CELLS} cells, then `next_row` continues); `packed`, "
    "one bit per cell, rows filled up to bytes, little bit order; `npz`, what scipy.sparse.load_npz"
    " reads"
)

RowRange = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{0,10}:[0-9]{0,10}$",
        description="`a:b`: rows a to b - 1 of the layer, from 0; either may be left out",
    ),
]


def send_piece(
    content: Content,
    layer: int,
    rows: str | None,
    form: str | None,
    asked: Conditions,
    name: str,
) -> Response:
    """Some rows of a layer in a format; conditions as for the whole file.

    Raises:
        InvalidRequest: there is no such layer or row, or it is too much at once.
    """
    etag = _etag(content, layer, rows, form)
    unchanged = check_conditions(etag, asked)
    if unchanged is not None:
        return unchanged
    begin, end = _rows(rows)
    headers = {"ETag": etag, "Cache-Control": FOREVER}
    if form in {None, "json"}:
        piece = read_mask_piece(content, layer, (begin, end), MOST_JSON_CELLS)
        text = MaskPieceResource.of(piece).model_dump_json()
        return Response(text, headers=headers, media_type="application/json")
    piece = read_mask_piece(content, layer, (begin, end), MOST_BINARY_CELLS)
    _check_size(piece, packed=form == "packed")
    suffix, data = (".npz", pack_npz(piece)) if form == "npz" else (".bits", pack_bits(piece))
    file = f"{name}.rows{piece.first}-{piece.end}{suffix}"
    headers["Content-Disposition"] = disposition(file, file)
    return Response(data, headers=headers, media_type="application/octet-stream")


def _rows(text: str | None) -> tuple[int, int | None]:
    matched = re.fullmatch(r"(\d*):(\d*)", text or ":")
    assert matched is not None  # the query parameter's pattern
    begin, end = matched.groups()
    return int(begin or 0), int(end) if end else None


def _etag(content: Content, layer: int, rows: str | None, form: str | None) -> str:
    asked = f"{content.sha256} {layer} {rows or ':'} {form or 'json'}"
    return f'"{hashlib.sha256(asked.encode()).hexdigest()[:32]}"'


def _check_size(piece: MaskPiece, *, packed: bool) -> None:
    size = (piece.inputs + 7) // 8 * len(piece.columns)
    if piece.next_row is None and (not packed or size <= MOST_PACKED_BYTES):
        return
    detail = (
        f"These rows are more than {MOST_BINARY_CELLS} cells or {MOST_PACKED_BYTES} bytes; ask for "
        "fewer at a time."
    )
    problem = {"pointer": "rows", "code": "TOO_MANY_ROWS", "detail": detail}
    raise InvalidRequest(f"rows: {detail}", [problem])
