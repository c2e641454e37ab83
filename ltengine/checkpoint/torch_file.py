"""torch.save files: tensors only, never executing what the file says.

Both of torch's own forms are read, the zip archive and the plain pickle from before torch 1.6
(published checkpoints still come in it). Tar files, TorchScript and whole modules are refused.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.safetensors_file import HOW_TO_SAVE, MOST_TENSORS
from ltengine.errors import CheckpointError

STATE_KEYS = ("state_dict", "model_state_dict", "model")
"""Under which training scripts nest the state_dict beside epochs and optimisers."""


ZIP_MAGIC = b"PK\x03\x04"
PICKLE_MAGIC = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""Pickle protocol 2 of the number that torch.save wrote first before torch 1.6."""


def looks_like_torch(head: bytes) -> bool:
    """One of torch.save's two forms."""
    return head.startswith((ZIP_MAGIC, PICKLE_MAGIC))


def _check_archive(path: Path) -> None:
    """Every entry stored, none twice, and no more bytes than the file has: no zip bombs."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"the file is cut short or no zip file; {HOW_TO_SAVE}", code="BROKEN_ARCHIVE"
        ) from error
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise CheckpointError(
            "the archive is compressed, which torch.save never does", code="COMPRESSED_ARCHIVE"
        )
    names = [entry.filename for entry in entries]
    total = sum(entry.file_size for entry in entries)
    if len(set(names)) != len(names) or total > path.stat().st_size:
        raise CheckpointError("the archive's directory is inconsistent", code="BROKEN_ARCHIVE")


def _load(path: Path) -> Any:
    import torch  # noqa: PLC0415 - seconds to import, and needed for this format alone

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        # torch's own text advises weights_only=False, which nobody should follow
        forbidden = re.search(r"GLOBAL ([\w.]+)", str(error))
        reason = f"it names {forbidden[1]}" if forbidden else type(error).__name__
        raise CheckpointError(
            f"torch.load(weights_only=True) refuses the file ({reason}); it must hold tensors "
            f"only: {HOW_TO_SAVE}",
            code="NOT_A_STATE_DICT",
        ) from error


def _state_of(document: Any) -> Mapping[Any, Any]:
    for key in STATE_KEYS:
        if isinstance(document, Mapping) and isinstance(document.get(key), Mapping):
            document = document[key]
    if not isinstance(document, Mapping):
        raise CheckpointError(
            f"the file holds a {type(document).__name__}, not a state_dict; {HOW_TO_SAVE}",
            code="NOT_A_STATE_DICT",
        )
    return document


def _as_float64(name: str, tensor: Any, budget: int) -> NDArray[np.float64]:
    import torch  # noqa: PLC0415

    plain = tensor.layout == torch.strided and not tensor.is_quantized
    if not plain or tensor.dtype.is_complex or tensor.dtype.itemsize > 8:
        raise CheckpointError(
            f"tensor {name!r} is {tensor.dtype} {tensor.layout}; dense real numbers are read",
            code="TENSOR_TYPE",
        )
    if tensor.numel() * tensor.dtype.itemsize > budget:
        raise CheckpointError(
            f"tensor {name!r} of shape {tuple(tensor.shape)} claims more bytes than the file has",
            code="TENSOR_SIZE",
        )
    return np.ascontiguousarray(tensor.detach().to(torch.float64).numpy())


def read_torch(path: Path) -> dict[str, NDArray[np.float64]]:
    """Tensors by name in the state_dict's own order, as float64.

    Raises:
        CheckpointError: the file is not a state_dict, or breaks a limit.
    """
    import torch  # noqa: PLC0415

    with path.open("rb") as file:
        if file.read(len(ZIP_MAGIC)) == ZIP_MAGIC:
            _check_archive(path)
    state = _state_of(_load(path))
    if len(state) > MOST_TENSORS:
        raise CheckpointError(
            f"{len(state)} tensors; at most {MOST_TENSORS} are read", code="TOO_MANY_TENSORS"
        )
    budget = path.stat().st_size
    tensors = {
        str(name): _as_float64(str(name), value, budget)
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise CheckpointError(
            f"the file holds no tensors by name; {HOW_TO_SAVE}", code="NOT_A_STATE_DICT"
        )
    return tensors
