"""Pickles are programs. One is read here before anything runs it, and refused if it does too much.

A state_dict's pickle uses some thirty opcodes and names a dozen globals, none of which is imported
here: `torch_pickle` puts stand-ins in their places.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Iterator
from typing import Any

from ltengine.checkpoint.refusal import HOW_TO_SAVE, shown
from ltengine.errors import CheckpointError

LARGEST_PICKLE = 16 << 20
"""Bytes. A state_dict of 10,000 tensors takes two million."""
MOST_OPERATIONS = 2_000_000
DEEPEST_NESTING = 100

_STORAGES = {
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "BoolStorage": "?",
    "ByteStorage": "u1",
    "CharStorage": "i1",
    "ShortStorage": "i2",
    "IntStorage": "i4",
    "LongStorage": "i8",
}
STORAGE_TYPES = {
    f"{module}.{name}": kind
    for module in ("torch", "torch.cuda")
    for name, kind in _STORAGES.items()
}
"""Element types of storages by the global that names them; bf16 has no numpy type of its own."""
REBUILDERS = {
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
}
INERT = {
    f"torch.{name}"
    for name in (
        *("device", "bool", "float16", "bfloat16", "float32", "float64", "half", "float"),
        *("double", "uint8", "int8", "int16", "int32", "int64", "long"),
    )
}
"""Globals that training scripts save beside the tensors; what they stand for is not looked at."""
GLOBALS = {*STORAGE_TYPES, *REBUILDERS, *INERT, "torch.Size", "collections.OrderedDict"}

_MUTATIONS = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}
_LITERALS = {"NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"}
_TEXTS = {"BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES"}
_EMPTY = {"EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE", "EMPTY_SET"}
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_CALLS = {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BINPERSID"}
_PUTS, _GETS = {"BINPUT", "LONG_BINPUT"}, {"BINGET", "LONG_BINGET"}
_FRAMING = {"PROTO", "FRAME", "MARK", "MEMOIZE", "STOP"}
_ALLOWED = {
    *(_MUTATIONS | _LITERALS | _TEXTS | _BYTES | _EMPTY | _TUPLES | _CALLS | _PUTS | _GETS),
    *_FRAMING,
}
_MARK = -1


def refuse_global(name: str) -> CheckpointError:
    """Why a pickle that names this global is refused."""
    module = name.rpartition(".")[0]
    if module in ("torch._utils", "torch.storage", "torch._tensor") or (
        module in ("torch", "torch.cuda", "torch.sparse") and name.endswith("Storage")
    ):
        return CheckpointError(
            f"the file holds tensors of a kind that is not read ({shown(name)}): only dense ones "
            f"of float16, bfloat16, float32 or float64 are; {HOW_TO_SAVE}",
            code="TENSOR_TYPE",
        )
    if module.startswith("torch.nn."):
        return CheckpointError(
            f"the file holds a whole module ({shown(name)}), which only its own program could "
            f"load; {HOW_TO_SAVE}",
            code="NOT_A_STATE_DICT",
        )
    return CheckpointError(
        f"the file's pickle names {shown(name)}, which no tensor needs, so nothing of it was run; "
        f"it must hold tensors alone: {HOW_TO_SAVE}",
        code="PICKLE_FORBIDDEN_GLOBAL",
    )


def check_program(data: bytes) -> int:
    """Read one pickle at the start of ``data`` without running it; how many bytes it takes.

    Raises:
        CheckpointError: it is broken or cut short, uses an opcode or a global that is not on the
            list, nests deeper than ``DEEPEST_NESTING``, or takes too many operations.
    """
    stack, end = _Stack(), 0
    for count, (opcode, argument, position) in enumerate(_operations(data)):
        if count >= MOST_OPERATIONS:
            raise CheckpointError(
                f"the pickle has over {MOST_OPERATIONS} operations", code="PICKLE_TOO_LARGE"
            )
        if opcode.name not in _ALLOWED:
            raise CheckpointError(
                f"the pickle uses the operation {opcode.name}, which no tensor needs; "
                f"{HOW_TO_SAVE}",
                code="PICKLE_FORBIDDEN_OPERATION",
            )
        if opcode.name == "GLOBAL":
            name = str(argument).replace(" ", ".", 1)
            if name not in GLOBALS:
                raise refuse_global(name)
        stack.apply(opcode, argument, count)
        end = int(position or 0) + 1  # after STOP, which has no argument
    return end


def _operations(data: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    try:
        yield from pickletools.genops(io.BytesIO(data))
    except (ValueError, EOFError, IndexError, OverflowError) as error:
        raise broken_pickle() from error


def broken_pickle() -> CheckpointError:
    """The pickle is cut short or damaged."""
    return CheckpointError(
        f"the file's pickle is cut short or damaged; {HOW_TO_SAVE}", code="BROKEN_PICKLE"
    )


class _Stack:
    """How deep each value on the stack is nested. Hashing a deep tuple would exhaust C's stack."""

    def __init__(self) -> None:
        self._depths: list[int] = []
        self._memo: dict[int, int] = {}

    def apply(self, opcode: pickletools.OpcodeInfo, argument: Any, count: int) -> None:
        """Take from the stack what the operation takes, and put there what it puts."""
        name = opcode.name
        if name in _PUTS:
            # An index far beyond the number of values would make the reader's memo huge.
            if argument > count or not self._depths:
                raise broken_pickle()
            self._memo[argument] = self._depths[-1]
        elif name in _GETS:
            if argument not in self._memo:
                raise broken_pickle()
            self._depths.append(self._memo[argument])
        elif name == "MARK":
            self._depths.append(_MARK)
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._depths[-1] if self._depths else 0
        elif name not in ("PROTO", "FRAME"):
            taken = self._take(opcode)
            if opcode.stack_after:
                self._depths.append(_depth(name, taken))

    def _take(self, opcode: pickletools.OpcodeInfo) -> list[int]:
        before = opcode.stack_before
        taken: list[int] = []
        if pickletools.markobject in before:
            while self._depths and self._depths[-1] != _MARK:
                taken.append(self._depths.pop())
            if not self._depths:
                raise broken_pickle()
            self._depths.pop()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            if not self._depths or self._depths[-1] == _MARK:
                raise broken_pickle()
            taken.append(self._depths.pop())
        return taken[::-1]


def _depth(name: str, taken: list[int]) -> int:
    if name in _MUTATIONS:
        depth = max(taken[0], max(taken[1:], default=0) + 1)
    else:
        depth = max(taken, default=0) + 1
    if depth > DEEPEST_NESTING:
        raise CheckpointError(
            f"the pickle nests values over {DEEPEST_NESTING} deep, a state_dict two or three; "
            f"{HOW_TO_SAVE}",
            code="PICKLE_TOO_DEEP",
        )
    return depth
