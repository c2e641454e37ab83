"""Bounds of copies and functions under way as arrays and figures, and back, to the last bit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray

from ltengine.copy_bounds import CopyBounds
from ltengine.difference import Links, ParameterErrors
from ltengine.joint_bound import Remainder
from ltengine.linear_function import LinearFunction, Passed
from ltengine.part_file import Part, combine
from ltengine.sparse_rows import SparseRows


def encode_bounds(bounds: CopyBounds) -> Part:
    """Bounds of some copies."""
    remainder = bounds.remainder
    own = Part(
        {
            "bias": bounds.bias,
            "radius": bounds.radius,
            "low": bounds.low,
            "high": bounds.high,
            "magnitude": bounds.magnitude,
            "columns": bounds.links.columns,
        },
        {
            "entries": bounds.entries,
            "errors": asdict(bounds.errors),
            "row": bounds.links.row,
            "keeps": remainder is not None,
        },
    )
    if remainder is None:
        return combine({"own.": own})
    return combine({"own.": own, "remainder.": _encode_remainder(remainder)})


def decode_bounds(part: Part) -> CopyBounds:
    """The inverse of ``encode_bounds``."""
    own = part.named("own.")
    kept = _decode_remainder(part.named("remainder.")) if own.figures["keeps"] else None
    return CopyBounds(
        bias=own.arrays["bias"],
        radius=own.arrays["radius"],
        low=own.arrays["low"],
        high=own.arrays["high"],
        magnitude=own.arrays["magnitude"],
        entries=own.figures["entries"],
        errors=ParameterErrors(**own.figures["errors"]),
        links=Links(own.figures["row"], own.arrays["columns"]),
        remainder=kept,
    )


def encode_functions(functions: Sequence[LinearFunction]) -> Part:
    """Functions on their way to the inputs."""
    return combine(
        {f"{number}.": _encode_function(function) for number, function in enumerate(functions)}
    )


def _encode_function(function: LinearFunction) -> Part:
    shares = {f"share{place}": share for place, share in enumerate(function.shares)}
    own: dict[str, NDArray[Any] | None] = {
        "carry": function.carry,
        "own": function.own,
        "turn": function.turn,
        "middle": function.middle,
        "radius": function.radius,
    }
    return _encode_optional(own | shares, {"shares": len(function.shares)})


def decode_functions(part: Part) -> list[LinearFunction]:
    """The inverse of ``encode_functions``."""
    parts = [part.named(f"{number}.") for number in range(len(part.figures))]
    return [
        LinearFunction(
            each.arrays.get("carry"),
            each.arrays["own"],
            each.arrays.get("turn"),
            each.arrays["middle"],
            each.arrays["radius"],
            [each.arrays.get(f"share{place}") for place in range(each.figures["shares"])],
        )
        for each in parts
    ]


def encode_passed(passed: Sequence[Passed | None]) -> Part:
    """What some copies become for each function; None for one that has none of them."""
    return combine({f"{number}.": _encode_passed(each) for number, each in enumerate(passed)})


def _encode_passed(passed: Passed | None) -> Part:
    if passed is None:
        return Part({}, {})
    arrays: dict[str, NDArray[Any] | None] = {
        "own": passed.own,
        "turn": passed.turn,
        "carry": passed.carry,
    }
    return _encode_optional(arrays, {})


def decode_passed(part: Part) -> list[Passed | None]:
    """The inverse of ``encode_passed``."""
    parts = [part.named(f"{number}.").arrays for number in range(len(part.figures))]
    return [
        Passed(each["own"], each.get("turn"), each.get("carry")) if each else None for each in parts
    ]


def _encode_optional(arrays: Mapping[str, NDArray[Any] | None], figures: Mapping[str, Any]) -> Part:
    return Part({name: array for name, array in arrays.items() if array is not None}, figures)


def _encode_rows(rows: SparseRows) -> Part:
    arrays: dict[str, NDArray[Any]] = {
        "offsets": rows.offsets,
        "columns": rows.columns,
        "values": rows.values,
    }
    return Part(arrays, {"width": rows.width})


def _decode_rows(part: Part) -> SparseRows:
    arrays = part.arrays
    return SparseRows(arrays["offsets"], arrays["columns"], arrays["values"], part.figures["width"])


def _encode_remainder(remainder: Remainder) -> Part:
    own = Part(
        {"middle": remainder.middle, "constant": remainder.constant},
        {"shares": [share is not None for share in remainder.shares]},
    )
    shares = {
        f"share{place}.": _encode_rows(share)
        for place, share in enumerate(remainder.shares)
        if share is not None
    }
    return combine({"own.": own, "linear.": _encode_rows(remainder.linear), **shares})


def _decode_remainder(part: Part) -> Remainder:
    own = part.named("own.")
    shares = tuple(
        _decode_rows(part.named(f"share{place}.")) if present else None
        for place, present in enumerate(own.figures["shares"])
    )
    linear = _decode_rows(part.named("linear."))
    return Remainder(linear, own.arrays["middle"], own.arrays["constant"], shares)
