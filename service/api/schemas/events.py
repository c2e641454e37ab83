"""What happened to a job, on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.api.schemas.wire import Wire
from service.domain import Event


class EventResource(Wire):
    """One event of a job."""

    seq: int = Field(description="counts from 1 without gaps, for each job by itself")
    type: str = Field(
        description="job.queued, job.started, job.progress (a new stage), job.updated, "
        "job.canceling, job.succeeded, job.failed, job.canceled or job.expired; more may come"
    )
    data: dict[str, Any] = Field(description="what the type says more, if anything")
    created_at: datetime

    @classmethod
    def of(cls, event: Event) -> EventResource:
        """The wire form of an event."""
        return cls(seq=event.seq, type=event.type, data=event.data, created_at=event.created_at)


class EventPage(Wire):
    """Events of a job, oldest first."""

    data: list[EventResource]
    next_after: int = Field(description="pass as `after` for the events that follow these")
    has_more: bool = Field(description="whether there are more now; more may come until `terminal`")
    terminal: bool = Field(description="whether the job has ended")
