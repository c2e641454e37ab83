"""Sixteen problems side by side in one vector register: the inner loop of enumeration.

A table row holds one 32-bit value of each of sixteen problems, so that a step of a search is the
same few vector instructions for all of them, without tails, shuffles or horizontal minima. numba
cannot be made to keep such a row in a register across a loop, so this loop is written in LLVM's own
language. LLVM splits the rows where a processor's registers are narrower.

numba's disk cache watches a kernel's own file only: after a change here, remove __pycache__.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

LANES = 16
_ROW = ir.VectorType(ir.IntType(32), LANES)
_PLACE = ir.IntType(64)
_BYTES = 4 * LANES
_UNROLLED = 4


def _rows(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """The arguments, with tables as pointers to their first row."""
    values = []
    for kind, value in zip(signature.args, arguments, strict=True):
        if isinstance(kind, types.Array):
            data = context.make_array(kind)(context, builder, value).data
            values.append(builder.bitcast(data, _ROW.as_pointer()))
        else:
            values.append(value)
    return values


def _signature(given: tuple[Any, ...]) -> Any:
    """Tables stay what they are; places are 64-bit."""
    return types.none(*[t if isinstance(t, types.Array) else types.int64 for t in given])


def _load(builder: Any, table: Any, row: Any) -> Any:
    value = builder.load(builder.gep(table, [row]))
    value.align = _BYTES
    return value


def _store(builder: Any, value: Any, table: Any, row: Any) -> None:
    builder.store(value, builder.gep(table, [row])).align = _BYTES


def _in_every_lane(builder: Any, value: Any) -> Any:
    single = builder.insert_element(ir.Constant(_ROW, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(single, single, ir.Constant(_ROW, [0] * LANES))


def _least(builder: Any, one: Any, other: Any) -> Any:
    return builder.select(builder.icmp_unsigned("<", one, other), one, other)


def _gap(builder: Any, value: Any, wanted: Any) -> Any:
    """|value - wanted|, wrapping, unsigned: a difference of -2^31 is far, not below everything."""
    difference = builder.sub(value, wanted)
    zero = ir.Constant(_ROW, None)
    negative = builder.icmp_signed("<", difference, zero)
    return builder.select(negative, builder.sub(zero, difference), difference)


def _least_of_run(builder: Any, table: Any, first: Any, last: Any, wanted: Any, least: Any) -> Any:
    """Emit the loops: by fours, then one by one; ``least`` is where they begin."""
    for step in (_UNROLLED, 1):
        head = builder.append_basic_block("head")
        body = builder.append_basic_block("body")
        done = builder.append_basic_block("done")
        before = builder.block
        builder.branch(head)
        builder.position_at_end(head)
        row, running = builder.phi(_PLACE), builder.phi(_ROW)
        row.add_incoming(first, before)
        running.add_incoming(least, before)
        following = builder.add(row, ir.Constant(_PLACE, step))
        builder.cbranch(builder.icmp_signed("<=", following, last), body, done)
        builder.position_at_end(body)
        reduced = running
        for ahead in range(step):
            place = builder.add(row, ir.Constant(_PLACE, ahead))
            gap = _gap(builder, _load(builder, table, place), wanted)
            reduced = _least(builder, reduced, gap)
        row.add_incoming(following, body)
        running.add_incoming(reduced, body)
        builder.branch(head)
        builder.position_at_end(done)
        first, least = row, running
    return least


def _type_scan(
    _: Any,
    levels: Any,
    level: Any,
    items: Any,
    item: Any,
    table: Any,
    first: Any,
    last: Any,
    best: Any,
    places: Any,
    place: Any,
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        levels, level, items, item, table, first, last, best, places, place = _rows(
            context, builder, signature, arguments
        )
        wanted = builder.sub(_load(builder, levels, level), _load(builder, items, item))
        huge = ir.Constant(_ROW, [2**32 - 1] * LANES)
        least = _least_of_run(builder, table, first, last, wanted, huge)
        only = ir.Constant(_PLACE, 0)
        known, noted = _load(builder, best, only), _load(builder, places, only)
        nearer = builder.icmp_unsigned("<", least, known)
        mark = _in_every_lane(builder, builder.trunc(place, ir.IntType(32)))
        _store(builder, builder.select(nearer, least, known), best, only)
        _store(builder, builder.select(nearer, mark, noted), places, only)
        return context.get_dummy_value()

    given = (levels, level, items, item, table, first, last, best, places, place)
    return _signature(given), generate


scan: Any = intrinsic(_type_scan)
"""scan(levels, level, items, item, table, first, last, best, places, place) looks for a table row
that brings one beginning of a subset nearer to the target.

Of every lane: wanted = levels[level] - items[item]; the least |table[row] - wanted| of the rows
first ... last - 1; where it is below ``best``, it becomes ``best`` and ``place`` is noted in
``places``. Tables are (row, lane) int32 from ``make_rows``; ``best`` and ``places`` have one row.
"""


def _row_operation(operation: str) -> Any:
    def typed(_: Any, out: Any, to: Any, left: Any, one: Any, right: Any, other: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            out, to, left, one, right, other = _rows(context, builder, signature, arguments)
            values = _load(builder, left, one), _load(builder, right, other)
            _store(builder, getattr(builder, operation)(*values), out, to)
            return context.get_dummy_value()

        return _signature((out, to, left, one, right, other)), generate

    return intrinsic(typed)


add_rows: Any = _row_operation("add")
"""add_rows(out, o, left, i, right, j): out[o] = left[i] + right[j], wrapping."""
subtract_rows: Any = _row_operation("sub")
"""subtract_rows(out, o, left, i, right, j): out[o] = left[i] - right[j], wrapping."""


@njit
def make_rows(rows):  # type: ignore[no-untyped-def]
    """(rows, LANES) int32 whose rows are whole cache lines."""
    room = np.empty((rows + 1) * LANES, np.int32)
    skipped = (-room.ctypes.data % (4 * LANES)) // 4
    return room[skipped : skipped + rows * LANES].reshape(rows, LANES)
