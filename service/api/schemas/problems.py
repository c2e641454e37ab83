"""Errors on the wire."""

from __future__ import annotations

from pydantic import Field

from service.api.schemas.wire import Wire
from service.domain import Problem


class ProblemItem(Wire):
    """One wrong field of a request: `pointer` for the body, `parameter` for the query."""

    pointer: str | None = Field(
        default=None, description="JSON pointer (RFC 6901) into the request body"
    )
    parameter: str | None = Field(default=None, description="name of the query parameter")
    code: str = Field(description="stable, UPPER_SNAKE")
    detail: str = Field(description="what is wrong, and what to send instead")


class ProblemDocument(Wire):
    """RFC 9457 problem details; every error of the service has this form."""

    type: str = Field(description="reference to a description of this kind of problem")
    title: str = Field(description="the kind of problem in words")
    status: int = Field(description="the HTTP status, repeated")
    detail: str = Field(description="this occurrence: what is wrong and what to do")
    code: str = Field(description="stable, UPPER_SNAKE: what programs should look at")
    request_id: str = Field(description="equals the X-Request-ID header; name it in reports")
    errors: list[ProblemItem] | None = Field(
        default=None, description="each wrong field, where the request itself is invalid"
    )


class ProblemTypeDocument(Wire):
    """What one kind of problem means."""

    type: str
    title: str
    status: int
    meaning: str


class Reason(Wire):
    """Why something failed or was rejected."""

    code: str = Field(description="stable, UPPER_SNAKE")
    detail: str = Field(description="what is wrong, and what to do about it")

    @classmethod
    def of(cls, problem: Problem) -> Reason:
        """The wire form of a domain problem."""
        return cls(code=problem.code, detail=problem.detail)
