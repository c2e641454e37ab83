"""What is wrong with a request, field by field, in words that say how to put it right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError

from ltengine.errors import SpecificationError
from ltengine.specification import parse_specification
from ltengine.statistics.question import parse_question
from service.api.schemas.submissions import kind_asked_for
from service.errors import InvalidRequest

_SHOWN_PROBLEMS = 3
_SHOWN_CHARACTERS = 60


def describe_validation_error(error: RequestValidationError) -> InvalidRequest:
    """All problems of a request; those of its spec in the words of the spec's own module."""
    document = error.body
    specified = isinstance(document, Mapping) and "spec" in document
    items = [_without_kind(item) for item in error.errors()]
    outside = [item for item in items if not (specified and item["loc"][:2] == ("body", "spec"))]
    problems = [_describe(item) for item in outside]
    if len(outside) < len(items):
        problems += _specification_problems(document["spec"], items[0]["kind"])
    return InvalidRequest(_summarise(problems), problems)


def json_pointer(parts: Sequence[str | int]) -> str:
    """RFC 6901: the path to a value inside a JSON document."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def _without_kind(item: Mapping[str, Any]) -> dict[str, Any]:
    """The same problem with the kind of job taken out of its place, where it names one."""
    loc = tuple(item["loc"])
    kind = kind_asked_for(loc[1]) if len(loc) > 1 else None
    return {**item, "kind": kind, "loc": loc if kind is None else loc[:1] + loc[2:]}


def _specification_problems(specification: Any, kind: str | None) -> list[dict[str, str]]:
    try:
        if kind == "statistics" and isinstance(specification, Mapping):
            parse_question(specification)
        else:
            parse_specification(specification)
    except SpecificationError as refusal:
        return [{**item, "pointer": "/spec" + item["pointer"]} for item in refusal.problems]
    return []


def _describe(item: Mapping[str, Any]) -> dict[str, str]:
    where, *path = item["loc"]
    if where != "body":
        place = {"parameter": str(path[0])}
    elif item["type"] == "unknown_kind":
        place = {"pointer": "/kind"}
    elif item["type"] == "json_invalid":
        place = {"pointer": ""}  # its loc is a character's position, no place in a document
    else:
        place = {"pointer": json_pointer(path)}
    return {**place, "code": str(item["type"]).upper(), "detail": _explain(item)}


def _explain(item: Mapping[str, Any]) -> str:
    kind, loc, message = item["type"], item["loc"], str(item["msg"])
    if kind == "json_invalid":
        return f"the body is not JSON: {item['ctx']['error']} at character {loc[-1]}"
    if kind == "extra_forbidden" and item["kind"] is not None:
        return f"a job of kind {item['kind']} has no such field; remove it or check its spelling"
    if kind == "extra_forbidden":
        return "unknown field; remove it or check its spelling"
    if kind == "unknown_kind":
        return message
    if kind == "missing" and len(loc) > 1:
        return "this field is required"
    if loc == ("body",):
        return "the body must be a JSON object, sent with Content-Type: application/json"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    given = repr(item.get("input"))
    shown = given if len(given) <= _SHOWN_CHARACTERS else given[: _SHOWN_CHARACTERS - 3] + "..."
    return f"{message} (got {shown})"


def _summarise(problems: Sequence[Mapping[str, str]]) -> str:
    lines = [
        f"{item.get('pointer') or item.get('parameter') or 'body'}: {item['detail']}"
        for item in problems[:_SHOWN_PROBLEMS]
    ]
    more = len(problems) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more else "")
