"""Comparisons on the wire."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ComparisonRequest(BaseModel):
    """Two tickets to put beside each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ticket_id: str = Field(description="the first ticket")
    other_ticket_id: str = Field(description="the second ticket")
