"""Torch files that no torch.save would write: archives and pickles put together by hand."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch


def state() -> OrderedDict[str, torch.Tensor]:
    """A small network: 4 inputs, 3 hidden neurons, 2 outputs."""
    generator = torch.Generator().manual_seed(0)
    shapes = {"0.weight": (3, 4), "0.bias": (3,), "2.weight": (2, 3), "2.bias": (2,)}
    return OrderedDict((n, torch.randn(s, generator=generator)) for n, s in shapes.items())


def saved(document: Any, **options: Any) -> bytes:
    """What torch.save writes."""
    file = io.BytesIO()
    torch.save(document, file, **options)
    return file.getvalue()


def entries_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {entry.filename: archive.read(entry) for entry in archive.infolist()}


def archive(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as target:
        for name, content in entries:
            target.writestr(name, content)
    return file.getvalue()


def with_program(program: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """An archive with this pickle."""
    parts = {"archive/data.pkl": program, "archive/version": b"3\n"}
    parts |= {f"archive/data/{key}": data for key, data in (storages or {}).items()}
    return archive(list(parts.items()))


def storage(key: str = "0", count: int = 4, kind: str = "FloatStorage") -> bytes:
    """Pickle operations that put a storage on the stack."""
    return (
        b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text(key) + text("cpu")
        + b"J" + struct.pack("<i", count) + b"tQ"
    )  # fmt: skip


def tensor(
    shape: tuple[int, ...], stride: tuple[int, ...], source: bytes, offset: int = 0
) -> bytes:
    """Pickle operations that put a tensor on the stack."""
    return (
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + source + integer(offset) + sizes(shape)
        + sizes(stride) + b"\x89ccollections\nOrderedDict\n)RtR"
    )  # fmt: skip


def state_program(tensors: dict[str, bytes]) -> bytes:
    """A pickle of a dictionary of tensors."""
    items = b"".join(text(name) + operations for name, operations in tensors.items())
    return b"\x80\x02}(" + items + b"u."


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def sizes(values: tuple[int, ...]) -> bytes:
    return b"(" + b"".join(integer(value) for value in values) + b"t"


def written(folder: Path, data: bytes) -> Path:
    path = folder / "upload"
    path.write_bytes(data)
    return path
