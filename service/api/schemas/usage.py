"""Limits and usage on the wire."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

from pydantic import Field

from service.api.schemas.wire import Wire
from service.usecases.usage import Usage


class LimitsResource(Wire):
    """What the tenant may do."""

    requests: int = Field(description="in each window")
    window_seconds: int
    queued_jobs: int = Field(description="at a time")
    running_jobs: int = Field(description="at a time; more wait in the queue")
    stored_bytes: int
    uploads: int = Field(description="under way at a time")


class StandingResource(Wire):
    """What the tenant has now."""

    queued_jobs: int
    running_jobs: int
    stored_bytes: int = Field(description="of accepted uploads, of tickets and of their exports")
    exported_bytes: int = Field(description="of exports alone")


class UsageLineResource(Wire):
    """The jobs of one kind submitted on one day."""

    day: date = Field(description="UTC")
    kind: str
    jobs: int
    succeeded: int
    failed: int
    seconds: float = Field(description="from start to end, of the finished ones together")


class UsageResource(Wire):
    """What was used, and what may be."""

    limits: LimitsResource
    now: StandingResource
    start: date
    end: date
    data: list[UsageLineResource] = Field(description="days without jobs are left out")

    @classmethod
    def of(cls, usage: Usage) -> UsageResource:
        """The wire form."""
        return cls(
            limits=LimitsResource(**asdict(usage.limits)),
            now=StandingResource(**asdict(usage.now)),
            start=usage.start,
            end=usage.end,
            data=[UsageLineResource(**asdict(line)) for line in usage.lines],
        )
