"""Vector registers for numba kernels: 64 bytes of samples that stay in a register over a sum.

Numba's own loops keep an array's running sums in memory, so that a sparse product loads and stores
one for every cell. A ``Lanes`` value is an LLVM vector, which lives in registers on any processor:
LLVM splits it where registers are narrower.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, models, register_model

REGISTER_BYTES = 64
"""The widest register of today's processors."""


class Lanes(types.Type):
    """As many numbers of one kind as a register holds."""

    def __init__(self, element: Any) -> None:
        self.element = element
        super().__init__(name=f"Lanes({element})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, lanes: Lanes) -> None:
        count = 8 * REGISTER_BYTES // lanes.element.bitwidth
        vector = ir.VectorType(manager[lanes.element].get_value_type(), count)
        super().__init__(manager, lanes, vector)  # type: ignore[no-untyped-call]


def _spread(builder: Any, number: Any, vector: Any) -> Any:
    """The number in every lane."""
    nothing, first = ir.Constant(vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
    places = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), [0] * vector.count)
    return builder.shuffle_vector(builder.insert_element(nothing, number, first), nothing, places)


def _address(context: Any, builder: Any, array_type: Any, array: Any, place: Any, to: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [place]), to.as_pointer())


def _type_fill(_context, number):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return _spread(builder, arguments[0], context.get_value_type(signature.return_type))

    return Lanes(number)(number), generate


def _type_add_product(_context, total, factor, array, _place):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        total, factor, array, place = arguments
        address = _address(context, builder, signature.args[2], array, place, total.type)
        numbers = builder.load(address, align=signature.args[2].dtype.bitwidth // 8)
        product = builder.fmul(_spread(builder, factor, total.type), numbers, flags=["contract"])
        return builder.fadd(total, product, flags=["contract"])

    return total(total, factor, array, types.intp), generate


def _type_store(_context, lanes, array, _place):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        lanes, array, place = arguments
        address = _address(context, builder, signature.args[1], array, place, lanes.type)
        builder.store(lanes, address, align=signature.args[1].dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(lanes, array, types.intp), generate


fill: Any = intrinsic(_type_fill)
"""``fill(number)``: a register with the number in every lane."""
add_product: Any = intrinsic(_type_add_product)
"""``add_product(total, factor, array, place)``: total + factor * the numbers that begin at the
array's flat place. The product may be rounded before it is added, or not: bounds must allow both.
"""
store: Any = intrinsic(_type_store)
"""``store(lanes, array, place)``: write a register to the array from a flat place on."""
