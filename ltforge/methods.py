"""Flows as methods of clients and records, with the flows' own signatures and documentation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from functools import update_wrapper
from typing import Any, Generic, ParamSpec, Self, TypeVar, overload

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")
BoundRecord = TypeVar("BoundRecord")


def bind(kind: type[BoundRecord], record: Any, session: Any) -> BoundRecord:
    """The record as one that can act, by the session it came from."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    return kind(**{**values, "_session": session})


class Method(Generic[Arguments, Returned]):
    """A flow that the session of the object it is called on carries out.

    Args:
        flow: starts the flow.
        carry: carries a started flow out, given the object it was called on.
        own: whether the object is the flow's first argument.
    """

    def __init__(
        self,
        flow: Callable[..., Any],
        carry: Callable[[Any, Callable[[], Any]], Any],
        *,
        own: bool = False,
    ) -> None:
        self.__doc__ = flow.__doc__
        self._flow = flow
        self._carry = carry
        self._own = own

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Callable[Arguments, Returned]: ...

    def __get__(self, instance: object | None, owner: type) -> Any:
        return self if instance is None else self._bound(instance)

    def _bound(self, instance: object) -> Callable[..., Any]:
        first = (instance,) if self._own else ()

        def method(*arguments: Any, **named: Any) -> Any:
            return self._carry(instance, lambda: self._flow(*first, *arguments, **named))

        update_wrapper(method, self._flow)
        method.__signature__ = self._signature()  # type: ignore[attr-defined]
        return method

    def _signature(self) -> inspect.Signature:
        """What people see: without the first argument where that is the object itself."""
        whole = inspect.signature(self._flow)
        parameters = list(whole.parameters.values())[1 if self._own else 0 :]
        return whole.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
