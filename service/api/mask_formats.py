"""Pieces of masks on the wire: JSON, packed bits, or an npz archive that scipy reads."""

from __future__ import annotations

import io
import zipfile
from array import array
from itertools import accumulate, chain

from service.usecases.masks import MaskPiece

_NPY_MAGIC = b"\x93NUMPY\x01\x00"
_ALIGNMENT = 64
# The archive of a piece depends on the piece alone, as its ETag says.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


def pack_bits(piece: MaskPiece) -> bytes:
    """One bit per cell, row by row, each row filled up to a byte; bit c mod 8 of byte c div 8."""
    stride = (piece.inputs + 7) // 8
    packed = bytearray(stride * len(piece.columns))
    for row, columns in enumerate(piece.columns):
        start = row * stride
        for column in columns:
            packed[start + column // 8] |= 1 << column % 8
    return bytes(packed)


def pack_npz(piece: MaskPiece) -> bytes:
    """A csr array of ones for ``scipy.sparse.load_npz``; `biases` and `first_row` beside it."""
    columns = array("q", chain.from_iterable(piece.columns))
    offsets = array("q", accumulate(map(len, piece.columns), initial=0))
    arrays = {
        "indices": _npy("<i8", (len(columns),), columns.tobytes()),
        "indptr": _npy("<i8", (len(offsets),), offsets.tobytes()),
        "format": _npy("|S3", (), b"csr"),
        "shape": _npy("<i8", (2,), array("q", (len(piece.columns), piece.inputs)).tobytes()),
        "data": _npy("|u1", (len(columns),), b"\x01" * len(columns)),
        "biases": _npy("|b1", (len(piece.biases),), bytes(piece.biases)),
        "first_row": _npy("<i8", (), array("q", (piece.first,)).tobytes()),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", _NO_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return file.getvalue()


def _npy(kind: str, shape: tuple[int, ...], data: bytes) -> bytes:
    """An array in numpy's own format, version 1.0."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape!r}, }}"
    length = len(_NPY_MAGIC) + 2 + len(text) + 1
    padded = text + " " * (-length % _ALIGNMENT) + "\n"
    return _NPY_MAGIC + len(padded).to_bytes(2, "little") + padded.encode() + data
