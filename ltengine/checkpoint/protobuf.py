"""The protobuf wire format, as far as ONNX files need it: fields in order, never nested by itself.

A message is read one level at a time, and only where its meaning is asked for, so no nesting of a
hostile file is ever followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from ltengine.errors import CheckpointError

Value: TypeAlias = int | memoryview
"""A varint as an unsigned number; all else as its bytes."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
MOST_FIELDS = 1_000_000


def broken_message() -> CheckpointError:
    """The bytes are no protobuf message, or another than expected."""
    return CheckpointError(
        "the file is cut short or no ONNX model; export it again, for example with "
        "torch.onnx.export(model, inputs, path)",
        code="INVALID_ONNX",
    )


@dataclass
class FieldBudget:
    """How many more fields of one file are read."""

    left: int = MOST_FIELDS

    def spend(self) -> None:
        """Count one; raises CheckpointError when there were too many."""
        self.left -= 1
        if self.left < 0:
            raise CheckpointError(
                f"the model has over {MOST_FIELDS} fields besides its weights",
                code="ONNX_TOO_LARGE",
            )


def fields(message: memoryview, budget: FieldBudget) -> Iterator[tuple[int, Value]]:
    """(field number, value) of each field of one message, in the file's order.

    Raises:
        CheckpointError: the message is broken, or the budget spent.
    """
    place = 0
    while place < len(message):
        budget.spend()
        key, place = _varint(message, place)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise broken_message()
        if kind == _VARINT:
            value, place = _varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            length, place = _varint(message, place)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise broken_message()
        if length > len(message) - place:
            raise broken_message()
        yield number, message[place : place + length]
        place += length


def as_message(value: Value) -> memoryview:
    """The value as the bytes of a message, a text or packed numbers."""
    if isinstance(value, int):
        raise broken_message()
    return value


def as_text(value: Value) -> str:
    """The value as text."""
    try:
        return bytes(as_message(value)).decode()
    except UnicodeDecodeError as error:
        raise broken_message() from error


def as_integers(value: Value, budget: FieldBudget) -> list[int]:
    """One signed 64-bit integer, or a packed run of them."""
    if isinstance(value, int):
        return [_signed(value)]
    numbers = []
    place = 0
    while place < len(value):
        budget.spend()
        number, place = _varint(value, place)
        numbers.append(_signed(number))
    return numbers


def as_integer(value: Value) -> int:
    """One signed 64-bit integer."""
    if not isinstance(value, int):
        raise broken_message()
    return _signed(value)


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if place >= len(message):
            raise broken_message()
        byte = message[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & ((1 << 64) - 1), place
    raise broken_message()
