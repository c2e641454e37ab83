"""Tickets on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from service.api.schemas.wire import Wire
from service.domain import Ticket
from service.usecases.masks import MaskPiece


class TicketLinks(Wire):
    """Where a ticket and its parts are."""

    self: str
    mask: str
    metrics: str
    export: str = Field(description="add `?format=`, see docs/exports.md")
    verify: str
    job: str
    checkpoint: str


class TicketResource(Wire):
    """A finished ticket: a pruned source network that computes its target."""

    id: str
    job_id: str
    checkpoint_id: str
    digest: str = Field(description="the ticket's own digest, as docs/ticket-format.md defines it")
    sha256: str = Field(description="SHA-256 of the ticket file, in hexadecimal")
    bytes: int = Field(description="size of the ticket file")
    metrics: dict[str, Any] = Field(description="the report of the construction")
    created_at: datetime
    links: TicketLinks

    @classmethod
    def of(cls, ticket: Ticket) -> TicketResource:
        """The wire form of a ticket."""
        own = f"/v1/tickets/{ticket.id}"
        return cls(
            id=ticket.id,
            job_id=ticket.job_id,
            checkpoint_id=ticket.checkpoint_id,
            digest=ticket.digest,
            sha256=ticket.sha256,
            bytes=ticket.bytes,
            metrics=ticket.report,
            created_at=ticket.created_at,
            links=TicketLinks(
                self=own,
                mask=f"{own}/mask",
                metrics=f"{own}/metrics",
                export=f"{own}/export",
                verify=f"{own}/verify",
                job=f"/v1/jobs/{ticket.job_id}",
                checkpoint=f"/v1/checkpoints/{ticket.checkpoint_id}",
            ),
        )


class MaskPieceResource(Wire):
    """Kept cells of some rows of a layer."""

    layer: int = Field(description="source layer, from 1")
    width: int = Field(description="rows of the whole layer")
    inputs: int = Field(description="columns")
    first_row: int
    end_row: int = Field(description="the row after the last")
    next_row: int | None = Field(
        description="begin here for the rest of what was asked; null if this is all of it"
    )
    columns: list[list[int]] = Field(description="for each row its kept columns, ascending")
    biases: list[bool] = Field(description="for each row whether its bias is kept")

    @classmethod
    def of(cls, piece: MaskPiece) -> MaskPieceResource:
        """The wire form of a piece, unchecked: lists of a hundred thousand numbers are known."""
        return cls.model_construct(
            layer=piece.layer,
            width=piece.width,
            inputs=piece.inputs,
            first_row=piece.first,
            end_row=piece.end,
            next_row=piece.next_row,
            columns=piece.columns,
            biases=piece.biases,
        )
