"""Which tickets a list is asked for, by query parameters."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Query
from pydantic import AfterValidator

from service.api.schemas.text import LARGEST_LABEL_COUNT, read_label
from service.domain import TicketFilter

_ID = r"^[a-z]{3}_[0-9a-hjkmnp-tv-z]{26}$"
_Id = Annotated[str | None, Query(pattern=_ID)]
_Label = Annotated[str, AfterValidator(read_label)]


async def _ticket_filter(
    job_id: Annotated[_Id, Query(description="only the ticket of this job")] = None,
    checkpoint_id: Annotated[_Id, Query(description="only tickets of this checkpoint")] = None,
    construction: Annotated[
        Literal["2L", "L+1"] | None, Query(description="only tickets of this construction")
    ] = None,
    label: Annotated[
        list[_Label],
        Query(
            max_length=LARGEST_LABEL_COUNT,
            description="`name=value` of the ticket's job; each given one must fit",
        ),
    ] = [],  # noqa: B006 - read only
) -> TicketFilter:
    labels = (named.partition("=")[::2] for named in label)
    return TicketFilter(
        job_id=job_id,
        checkpoint_id=checkpoint_id,
        construction=construction,
        labels=tuple(sorted((name, value) for name, value in labels)),
    )


TicketFilterDep = Annotated[TicketFilter, Depends(_ticket_filter)]
