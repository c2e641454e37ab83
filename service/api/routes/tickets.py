"""Tickets: what succeeded jobs made."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Header
from fastapi.responses import Response, StreamingResponse

from service.api.deps import Caller, PageDep, PartsDep, TicketId
from service.api.refusals import InvalidCursor
from service.api.responses import REQUEST_ID, body, problems
from service.api.routes.pages import send_page
from service.api.schemas import PageOf, TicketResource
from service.errors import InvalidRequest, NotFound
from service.usecases.tickets import TicketFile, get_ticket, list_tickets, open_ticket_file

router = APIRouter(prefix="/v1/tickets", tags=["tickets"])

_ETAG = {
    "description": 'Strong: "sha256-" and the SHA-256 of the file, in quotes.',
    "schema": {"type": "string"},
}
_FILE_HEADERS = {
    "X-Request-ID": REQUEST_ID,
    "ETag": _ETAG,
    "Content-Length": {"description": "Size of the file.", "schema": {"type": "integer"}},
    "Content-Disposition": {
        "description": "A file name made of the checkpoint's name.",
        "schema": {"type": "string"},
    },
}


class _TicketFileResponse(StreamingResponse):
    media_type = "application/octet-stream"


@router.get(
    "",
    operation_id="list_tickets",
    summary="List tickets",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(caller: Caller, parts: PartsDep, asked: PageDep) -> PageOf[TicketResource]:
    """The tenant's tickets, newest first."""
    fetch = partial(list_tickets, parts.store, caller.tenant_id)
    return send_page(parts, f"tickets/{caller.tenant_id}", asked, fetch, TicketResource.of)


@router.get(
    "/{ticket_id}",
    operation_id="get_ticket",
    summary="Get a ticket",
    responses={200: body("The ticket."), **problems(NotFound)},
)
def get(caller: Caller, parts: PartsDep, ticket_id: TicketId) -> TicketResource:
    """One ticket with the report of its construction; the file itself is at `links.mask`."""
    return TicketResource.of(get_ticket(parts.store, caller.tenant_id, ticket_id))


@router.get(
    "/{ticket_id}/metrics",
    operation_id="get_ticket_metrics",
    summary="Get a ticket's report",
    responses={200: body("The report."), **problems(NotFound)},
)
def get_metrics(caller: Caller, parts: PartsDep, ticket_id: TicketId) -> dict[str, Any]:
    """The report of the construction: sizes, errors, subset sizes, accuracies and times."""
    return get_ticket(parts.store, caller.tenant_id, ticket_id).report


@router.get(
    "/{ticket_id}/mask",
    operation_id="get_ticket_mask",
    summary="Download the ticket file",
    response_class=_TicketFileResponse,
    responses={
        200: {
            "description": "The ticket file (safetensors), as docs/ticket-format.md defines it.",
            "headers": _FILE_HEADERS,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        },
        304: {
            "description": "The file is the one named by If-None-Match.",
            "headers": {"X-Request-ID": REQUEST_ID, "ETag": _ETAG},
        },
        **problems(NotFound),
    },
)
def get_mask(
    caller: Caller,
    parts: PartsDep,
    ticket_id: TicketId,
    if_none_match: Annotated[
        str | None, Header(description="ETags of files that the client has; or *")
    ] = None,
) -> Response:
    """The mask with all that is needed to rebuild and check the ticket, as one file."""
    file = open_ticket_file(parts.store, caller.tenant_id, ticket_id)
    etag = f'"sha256-{file.ticket.sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable"}
    if _matches(if_none_match, etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(file.ticket.bytes)
    headers["Content-Disposition"] = _disposition(file)
    return _TicketFileResponse(file.chunks, headers=headers)


def _matches(if_none_match: str | None, etag: str) -> bool:
    """Weak comparison, as RFC 9110 13.1.2 asks for in If-None-Match."""
    if if_none_match is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return tags == ["*"] or etag in tags


def _disposition(file: TicketFile) -> str:
    """A plain name for every client, and one with the checkpoint's name for those that read it.

    The name is any text a user chose: separators go, and the rest is percent-encoded (RFC 8187).
    """
    stem = re.sub(r"[/\\:]+", "_", file.checkpoint_name).strip(". ")[:100] or "checkpoint"
    encoded = quote(f"{stem}.ticket.safetensors", safe="")
    return f"attachment; filename=\"{file.ticket.id}.safetensors\"; filename*=UTF-8''{encoded}"
