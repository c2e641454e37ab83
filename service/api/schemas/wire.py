"""What all wire models share."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Item = TypeVar("Item")


class Wire(BaseModel):
    """A frozen model of something that is sent."""

    model_config = ConfigDict(frozen=True)


class PageOf(Wire, Generic[Item]):
    """One page of a list, newest first."""

    data: list[Item]
    next_cursor: str | None = Field(
        description="pass as `cursor` for the next page; null at the end of the list"
    )

    @classmethod
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """The name in the contract: JobPage rather than PageOf[JobResource]."""
        return f"{params[0].__name__.removesuffix('Resource')}Page"


class Health(Wire):
    """Whether a process lives, or the service can work; with reasons where it cannot."""

    status: str
    reasons: list[str]
