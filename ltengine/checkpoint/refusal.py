"""Words and limits that the readers of all formats share."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ltengine.errors import CheckpointError

MOST_TENSORS = 10_000
HOW_TO_SAVE = (
    "save it with safetensors.torch.save_file(model.state_dict(), path) or "
    "torch.save(model.state_dict(), path)"
)
_NAME = re.compile(r"[A-Za-z0-9_.\-/:]{1,256}")
_SHOWN = 80


def shown(text: str) -> str:
    """Text from an untrusted file, fit for a message: short, and without surprises."""
    quoted = ascii(text)
    return quoted if len(quoted) <= _SHOWN else quoted[: _SHOWN - 4] + "...'"


def check_name(name: object) -> str:
    """The name of a tensor, if it is one that a framework would give.

    Raises:
        CheckpointError: it is no text, too long, or has characters besides letters, digits, _.-/:
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CheckpointError(
            f"a tensor is called {shown(str(name)[:_SHOWN])}; names have 1 to 256 letters, digits "
            "and _ . - / :",
            code="TENSOR_NAME",
        )
    return name


def check_count(count: int) -> None:
    """Refuse more tensors than any network we can use has."""
    if count > MOST_TENSORS:
        raise CheckpointError(
            f"{count} tensors; at most {MOST_TENSORS} are read", code="TOO_MANY_TENSORS"
        )


def tensor_too_large(name: str, shape: Sequence[object]) -> CheckpointError:
    """A tensor of more bytes than the file holds for it."""
    sizes = shown(str(tuple(shape[:9])))
    return CheckpointError(
        f"tensor {shown(name)} of shape {sizes} claims more bytes than the file has",
        code="TENSOR_SIZE",
    )
