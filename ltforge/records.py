"""From the service's JSON to frozen records, by the records' own annotations.

Fields this version does not know are ignored, so that a newer service can add some; fields that an
older service does not send take the record's default.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ltforge.errors import LTForgeError

Document = Mapping[str, Any]
"""A JSON object as the service sent it."""

RecordType = TypeVar("RecordType")


def read_record(kind: type[RecordType], document: Document) -> RecordType:
    """A record of ``kind`` from a JSON object.

    Raises:
        LTForgeError: the object has not the shape of one.
    """
    values = {}
    described: Any = kind
    for field, annotation in _shape(described):
        if field.name in document:
            values[field.name] = _value(annotation, document[field.name], field.name)
        elif not _has_default(field):
            raise _unreadable(kind.__name__, f"{field.name} is missing")
    return kind(**values)


@cache
def _shape(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING


def _value(annotation: Any, given: Any, name: str) -> Any:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        if given is None:
            return None
        (annotation,) = (choice for choice in get_args(annotation) if choice is not types.NoneType)
        return _value(annotation, given, name)
    if origin is tuple:
        item = get_args(annotation)[0]
        return tuple(_value(item, entry, name) for entry in _expected(list, given, name))
    if annotation is datetime:
        return _time(given, name)
    if isinstance(annotation, type) and is_dataclass(annotation):
        return read_record(annotation, _expected(dict, given, name))
    if annotation is float:
        return float(_expected((int, float), given, name))
    if origin is dict:
        return _expected(dict, given, name)
    if annotation is Any:
        return given
    return _expected(annotation, given, name)


def _expected(kind: Any, given: Any, name: str) -> Any:
    if not isinstance(given, kind):
        raise _unreadable(name, f"it is {type(given).__name__}")
    return given


def _time(given: Any, name: str) -> datetime:
    """An RFC 3339 time."""
    try:
        return datetime.fromisoformat(_expected(str, given, name))
    except ValueError as error:
        raise _unreadable(name, str(error)) from error


def _unreadable(what: str, why: str) -> LTForgeError:
    return LTForgeError(
        "UNREADABLE_ANSWER",
        f"the service's {what} cannot be read ({why}); check that the base URL is an LTForge "
        "service, and that this client is not older than it",
    )
