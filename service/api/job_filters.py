"""Which jobs a list is asked for, by query parameters."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import AfterValidator, AwareDatetime

from service.api.schemas.moments import AS_WRITTEN
from service.api.schemas.text import LARGEST_LABEL_COUNT, read_label
from service.domain import JobFilter, JobKind, JobStatus

_ID = r"^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$"


def _as_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the time lies outside the years 1 to 9999") from None


_Id = Annotated[str | None, Query(pattern=_ID)]
_Moment = Annotated[AwareDatetime, AS_WRITTEN, AfterValidator(_as_utc)]
_Label = Annotated[str, AfterValidator(read_label)]


async def _job_filter(
    status: Annotated[JobStatus | None, Query(description="only jobs in this status")] = None,
    kind: Annotated[JobKind | None, Query(description="only jobs of this kind")] = None,
    checkpoint_id: Annotated[_Id, Query(description="only jobs on this checkpoint")] = None,
    batch_id: Annotated[_Id, Query(description="only jobs of this batch")] = None,
    parent_id: Annotated[_Id, Query(description="only replicates of this job")] = None,
    created_after: Annotated[
        _Moment | None, Query(description="only jobs submitted then or later (RFC 3339)")
    ] = None,
    created_before: Annotated[
        _Moment | None, Query(description="only jobs submitted earlier (RFC 3339)")
    ] = None,
    label: Annotated[
        list[_Label],
        Query(max_length=LARGEST_LABEL_COUNT, description="`name=value`; each given one must fit"),
    ] = [],  # noqa: B006 - read only
) -> JobFilter:
    labels = [named.partition("=")[::2] for named in label]
    return JobFilter(
        status=status,
        kind=kind,
        checkpoint_id=checkpoint_id,
        batch_id=batch_id,
        parent_id=parent_id,
        created_after=created_after,
        created_before=created_before,
        labels=tuple(sorted((name, value) for name, value in labels)),
    )


JobFilterDep = Annotated[JobFilter, Depends(_job_filter)]


def filter_scope(tenant_id: str, wanted: JobFilter) -> str:
    """What a cursor is bound to: whose list, and all of its filters."""
    return f"jobs/{tenant_id}/{wanted!r}"
