"""torch.save files, read without torch and without running what they say.

Both of torch's own forms are read, the zip archive and the plain pickle from before torch 1.6
(published checkpoints still come in it). Tar files, TorchScript and whole modules are refused.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.numbers import Tensors, widen
from ltengine.checkpoint.pickle_program import LARGEST_PICKLE
from ltengine.checkpoint.refusal import (
    HOW_TO_SAVE,
    check_count,
    check_name,
    tensor_too_large,
)
from ltengine.checkpoint.torch_pickle import (
    PickleRun,
    Storage,
    TensorRecipe,
    item_bytes,
    run_pickle,
)
from ltengine.errors import CheckpointError

STATE_KEYS = ("state_dict", "model_state_dict", "model", "net", "network")
"""Under which training scripts nest the state_dict beside epochs and optimisers."""
MOST_ENTRIES = 40_000

ZIP_MAGIC = b"PK\x03\x04"
PICKLE_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""Pickle protocol 2 of the number that torch.save wrote first before torch 1.6."""
_LARGEST_DIRECTORY = 8 << 20

_ZIP_FAILURES = (
    zipfile.BadZipFile,
    NotImplementedError,
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    RuntimeError,
    struct.error,
)
"""What Python's zipfile raises on damaged archives."""

ByteOrder = Literal["<", ">"]
ReadStorage = Callable[[Storage], NDArray[Any]]


def looks_like_torch(head: bytes) -> bool:
    """One of torch.save's two forms."""
    return head.startswith((ZIP_MAGIC, PICKLE_MAGIC))


def read_torch(path: Path) -> Tensors:
    """Tensors by name in the state_dict's own order, as float64.

    Raises:
        CheckpointError: the file is not a state_dict, or breaks a limit.
    """
    with _CarefulFile(path) as file:
        if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
            return _read_archive(file)
        file.seek(0)
        return _read_legacy(file)


class _CarefulFile(io.FileIO):
    """A file of which no more is read at once than is there, nor a directory of any size."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.size = path.stat().st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self.size - self.tell())
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = bytearray()
        while len(pieces) < wanted and (piece := super().read(wanted - len(pieces))):
            pieces += piece
        return bytes(pieces)


class _Directory(_CarefulFile):
    """The file while an archive's directory is read, which comes in one piece."""

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self.size - self.tell())
        if (left if size is None or size < 0 else min(size, left)) > _LARGEST_DIRECTORY:
            raise CheckpointError(
                "the archive's directory is larger than that of any state_dict",
                code="BROKEN_ARCHIVE",
            )
        return super().read(size)


def _read_archive(file: _CarefulFile) -> Tensors:
    entries, root = _check_archive(file)
    try:
        archive = zipfile.ZipFile(file)
        state = _state_of(run_pickle(archive.read(f"{root}data.pkl")).document)
        order = archive.read(f"{root}byteorder") if f"{root}byteorder" in entries else b"little"
        sign: ByteOrder = ">" if order.strip() == b"big" else "<"

        def read(storage: Storage) -> NDArray[Any]:
            entry = entries.get(f"{root}data/{storage.key}")
            if entry is None or storage.count * item_bytes(storage.kind) > entry.file_size:
                raise tensor_too_large(storage.key, [storage.count])
            return _numbers(archive.read(entry), storage, sign)

        return _materialise(state, read, file.size)
    except _ZIP_FAILURES as error:
        raise _broken_archive("an entry of the archive is damaged") from error


def _check_archive(file: _CarefulFile) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """The entries and the folder of all: stored, none twice, no more bytes than the file has."""
    try:
        with _Directory(Path(str(file.name))) as listing, zipfile.ZipFile(listing) as archive:
            entries = archive.infolist()
    except _ZIP_FAILURES as error:
        raise _broken_archive("the file is cut short or no zip file") from error
    names = {entry.filename: entry for entry in entries}
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(
            "the archive is compressed, which torch.save never does", code="COMPRESSED_ARCHIVE"
        )
    if any(entry.flag_bits & 1 for entry in entries):
        raise _broken_archive("the archive is encrypted")
    total = sum(entry.file_size for entry in entries)
    if len(names) != len(entries) or len(entries) > MOST_ENTRIES or total > file.size:
        raise _broken_archive("the archive's directory is inconsistent")
    roots = {name.partition("/")[0] for name in names}
    root = f"{next(iter(roots))}/" if len(roots) == 1 else ""
    program = names.get(f"{root}data.pkl")
    if program is None or f"{root}constants.pkl" in names:
        raise CheckpointError(
            f"the archive is no state_dict but TorchScript or another kind; {HOW_TO_SAVE}",
            code="NOT_A_STATE_DICT",
        )
    if program.file_size > LARGEST_PICKLE:
        raise CheckpointError(
            f"the pickle takes {program.file_size} bytes; at most {LARGEST_PICKLE} are read",
            code="PICKLE_TOO_LARGE",
        )
    return names, root


def _broken_archive(reason: str) -> CheckpointError:
    return CheckpointError(f"{reason}; {HOW_TO_SAVE}", code="BROKEN_ARCHIVE")


def _read_legacy(file: _CarefulFile) -> Tensors:
    """Five pickles (magic number, version, machine, document, storage keys), then the storages."""
    head = file.read(LARGEST_PICKLE)
    runs: list[PickleRun] = []
    position = 0
    for _ in range(5):
        runs.append(run_pickle(head[position:]))
        position += runs[-1].end
    places = _legacy_places(file, position, runs[4].document, runs[3].storages)

    def read(storage: Storage) -> NDArray[Any]:
        start, count = places.get(storage.key, (0, 0))
        if storage.begin + storage.count > count:
            raise tensor_too_large(storage.key, [storage.count])
        width = item_bytes(storage.kind)
        file.seek(start + storage.begin * width)
        return _numbers(file.read(storage.count * width), storage, "<")

    return _materialise(_state_of(runs[3].document), read, file.size)


def _legacy_places(
    file: _CarefulFile, position: int, keys: Any, kinds: Mapping[str, str]
) -> dict[str, tuple[int, int]]:
    """Where each storage begins and how many elements it has; each is preceded by that number."""
    places: dict[str, tuple[int, int]] = {}
    for key in keys if isinstance(keys, list) else []:
        if not isinstance(key, str) or key not in kinds:
            raise CheckpointError(
                f"the file lists a storage that it does not use; {HOW_TO_SAVE}",
                code="BROKEN_PICKLE",
            )
        file.seek(position)
        count = int.from_bytes(file.read(8), "little")
        places[key] = (position + 8, count)
        position += 8 + count * item_bytes(kinds[key])
        if position > file.size:
            raise tensor_too_large(key, [count])
    return places


def _numbers(data: bytes, storage: Storage, sign: ByteOrder) -> NDArray[Any]:
    kind = "u2" if storage.kind == "bf16" else storage.kind
    if len(data) < storage.count * item_bytes(storage.kind):
        raise tensor_too_large(storage.key, [storage.count])
    return np.frombuffer(data, np.dtype(kind).newbyteorder(sign), storage.count)


def _state_of(document: Any) -> Mapping[Any, Any]:
    """The state_dict, which may lie in a checkpoint's dictionary, or in a list of one."""
    for key in STATE_KEYS:
        if isinstance(document, Mapping) and isinstance(document.get(key), Mapping | list):
            document = document[key]
        if isinstance(document, list) and len(document) == 1:
            document = document[0]
    if not isinstance(document, Mapping):
        raise CheckpointError(
            f"the file holds a {type(document).__name__}, not a state_dict; {HOW_TO_SAVE}",
            code="NOT_A_STATE_DICT",
        )
    return document


def _materialise(state: Mapping[Any, Any], read: ReadStorage, budget: int) -> Tensors:
    """The tensors' numbers. All together claim no more bytes than the file has."""
    recipes = {name: value for name, value in state.items() if isinstance(value, TensorRecipe)}
    if not recipes:
        raise CheckpointError(
            f"the file holds no tensors by name; {HOW_TO_SAVE}", code="NOT_A_STATE_DICT"
        )
    check_count(len(recipes))
    storages: dict[str, Storage] = {}
    for name, recipe in recipes.items():
        storages[name] = recipe.check(check_name(name), budget)
        budget -= math.prod(recipe.shape) * item_bytes(storages[name].kind)
    read_already: dict[tuple[str, str, int, int], NDArray[Any]] = {}
    tensors = {}
    for name, recipe in recipes.items():
        storage = storages[name]
        place = (storage.key, storage.kind, storage.begin, storage.count)
        if place not in read_already:
            read_already[place] = read(storage)
        tensors[name] = widen(recipe.view(read_already[place]), storage.kind)
    return tensors
