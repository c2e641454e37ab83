"""Runs the pickle of a torch file with stand-ins for all globals: nothing of it is imported."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ltengine.checkpoint.pickle_program import (
    INERT,
    LARGEST_PICKLE,
    REBUILDERS,
    STORAGE_TYPES,
    broken_pickle,
    check_program,
    refuse_global,
)
from ltengine.checkpoint.refusal import shown, tensor_too_large
from ltengine.errors import CheckpointError

_MOST_COPIED = 1_000_000
_MOST_DIMENSIONS = 8


@dataclass(frozen=True, eq=False)
class Storage:
    """A run of numbers in the file: ``count`` elements of ``kind``, from element ``begin`` on."""

    kind: str
    key: str
    count: int
    begin: int = 0


@dataclass(frozen=True, eq=False)
class TensorRecipe:
    """How a tensor is read from its storage. Unchecked: the fields are whatever the file said."""

    storage: Any
    offset: Any
    shape: Any
    stride: Any

    def check(self, name: str, budget: int) -> Storage:
        """The storage, if the tensor lies in it, each element once, in ``budget`` bytes.

        Raises:
            CheckpointError: TENSOR_SIZE, ALIASED_TENSOR, or BROKEN_PICKLE for what is no tensor.
        """
        storage, shape, stride = self.storage, self.shape, self.stride
        if not (
            isinstance(storage, Storage)
            and isinstance(self.offset, int)
            and self.offset >= 0
            and _are_counts(shape)
            and _are_counts(stride)
            and len(shape) == len(stride) <= _MOST_DIMENSIONS
        ):
            raise broken_pickle()
        if math.prod(shape) * item_bytes(storage.kind) > budget:
            raise tensor_too_large(name, shape)
        last = 0
        for step, size in sorted(zip(stride, shape, strict=True)):
            if size > 1 and step <= last:
                raise CheckpointError(
                    f"tensor {shown(name)} uses elements of its storage more than once; call "
                    ".contiguous() before saving it",
                    code="ALIASED_TENSOR",
                )
            last += max(0, size - 1) * step
        if math.prod(shape) and self.offset + last >= storage.count:
            raise tensor_too_large(name, shape)
        return storage

    def view(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The tensor in its storage's ``numbers``; only after ``check``."""
        strides = [step * numbers.itemsize for step in self.stride]
        if not math.prod(self.shape):
            return np.empty(self.shape, numbers.dtype)
        return np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, strides, writeable=False
        )


def item_bytes(kind: str) -> int:
    """Bytes of one element."""
    return 2 if kind == "bf16" else np.dtype(kind).itemsize


@dataclass(frozen=True)
class PickleRun:
    """What a pickle said.

    Attributes:
        document: dictionaries, lists, texts and numbers as themselves, tensors as TensorRecipe.
        end: how many bytes the pickle takes.
        storages: the element type of every storage it names, by key.
    """

    document: Any
    end: int
    storages: Mapping[str, str]


def run_pickle(data: bytes) -> PickleRun:
    """Run the pickle at the start of ``data``.

    Raises:
        CheckpointError: the program is refused, or ends in an error.
    """
    end = check_program(data[:LARGEST_PICKLE])
    unpickler = _TensorUnpickler(data[:end])
    try:
        return PickleRun(unpickler.load(), end, unpickler.storages)
    except (CheckpointError, MemoryError):
        raise
    except Exception as error:
        # A damaged program fails in as many ways as there are operations.
        raise broken_pickle() from error


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(isinstance(n, int) and n >= 0 for n in values)


@dataclass(frozen=True, eq=False)
class _StorageType:
    kind: str


class _Mapping(dict[Any, Any]):
    """An OrderedDict. Attributes that a state_dict carries (its _metadata) are left out."""

    def __setstate__(self, state: object) -> None:
        del state


class _StandIn:
    """A callable that the program can call and nothing else: it cannot be changed."""

    __slots__ = ("_act",)
    _act: Callable[..., Any]

    def __init__(self, act: Callable[..., Any]) -> None:
        object.__setattr__(self, "_act", act)

    def __call__(self, *arguments: Any) -> Any:
        return self._act(*arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise broken_pickle()

    def __setstate__(self, state: object) -> None:
        raise broken_pickle()


class _TensorUnpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8")
        self.storages: dict[str, str] = {}
        self._copied = 0

    def find_class(self, module: str, name: str) -> Any:
        """A stand-in for the global."""
        full = f"{module}.{name}"
        if full in STORAGE_TYPES:
            return _StorageType(STORAGE_TYPES[full])
        if full in REBUILDERS:
            return _StandIn(_first if full.endswith("_parameter") else _rebuild)
        if full in INERT:
            return _StandIn(_nothing)
        if full == "torch.Size":
            return _StandIn(_first)
        if full == "collections.OrderedDict":
            return _StandIn(self._ordered)
        raise refuse_global(full)

    def persistent_load(self, pid: Any) -> Storage:
        """A storage: (word, type, key, device, elements) and, in old files, the part meant."""
        _, kind, key, _, count, *rest = pid
        view = rest[0] if rest else None
        begin = 0
        if view is not None:
            _, begin, count = view
        numbers = isinstance(count, int) and isinstance(begin, int) and count >= 0 and begin >= 0
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or not numbers:
            raise broken_pickle()
        self.storages[key] = kind.kind
        return Storage(kind.kind, key, count, begin)

    def _ordered(self, items: Sequence[Any] = ()) -> _Mapping:
        """Counted, as a small program could otherwise copy one long list again and again."""
        self._copied += len(items)
        if self._copied > _MOST_COPIED:
            raise broken_pickle()
        return _Mapping(items)


def _rebuild(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> TensorRecipe:
    return TensorRecipe(storage, offset, shape, stride)


def _first(value: Any, *_: Any) -> Any:
    return value


def _nothing(*_: Any) -> None:
    return None
