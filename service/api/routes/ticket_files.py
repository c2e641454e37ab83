"""The files of tickets: as they are, in pieces, and in other formats."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ltengine.export.formats import ExportFormat
from service.api.deps import Caller, PartsDep, TicketId
from service.api.downloads import ConditionsDep, file_stem, send_content
from service.api.mask_pieces import PIECE_FORMATS, RowRange, send_piece
from service.api.refusals import RangeNotSatisfiable
from service.api.responses import LOCATION, RETRY_AFTER, body, downloads
from service.api.schemas import JobResource, MaskPieceResource
from service.domain import Job
from service.errors import ExportRefused, InvalidRequest, NotFound, PreconditionFailed
from service.usecases.exports import open_export
from service.usecases.tickets import open_ticket_file

router = APIRouter(prefix="/v1/tickets/{ticket_id}", tags=["tickets"])

_RETRY_SECONDS = 1
_ALWAYS = (InvalidRequest, NotFound, PreconditionFailed)
_MASK = (
    "The ticket file (safetensors), as docs/ticket-format.md defines it; or, with `layer`, a piece."
)
_EXPORT = "The file, as docs/exports.md defines it."
_BEING_MADE = {
    **body("The file is being made by this job.", Location=LOCATION, Retry_After=RETRY_AFTER),
    "model": JobResource,
}


def _piece_too(responses: dict[int | str, dict[str, object]]) -> dict[int | str, dict[str, object]]:
    return {**responses, 200: {**responses[200], "model": MaskPieceResource}}


@router.get(
    "/mask",
    operation_id="get_ticket_mask",
    summary="Download the ticket file, or a piece of its mask",
    response_model=None,
    responses=_piece_too(downloads(_MASK, *_ALWAYS, RangeNotSatisfiable)),
)
@router.head(
    "/mask",
    operation_id="head_ticket_mask",
    summary="What a download of the ticket file would be",
    response_model=None,
    responses=_piece_too(downloads("Headers alone.", *_ALWAYS, head=True)),
)
def get_mask(
    request: Request,
    caller: Caller,
    parts: PartsDep,
    ticket_id: TicketId,
    asked: ConditionsDep,
    layer: Annotated[
        int | None, Query(ge=1, le=1 << 31, description="only this source layer, from 1")
    ] = None,
    rows: RowRange = None,
    form: Annotated[
        Literal["ticket", "json", "packed", "npz"] | None,
        Query(
            alias="format",
            description="`ticket`, the whole file, the default; with `layer`: " + PIECE_FORMATS,
        ),
    ] = None,
) -> Response:
    """The mask with all that is needed to rebuild and check the ticket, as one file.

    With `layer`, the kept columns of that layer's rows alone, as JSON or in a binary form.
    """
    content, name = open_ticket_file(parts.store, caller.tenant_id, ticket_id)
    if layer is not None and form != "ticket":
        return send_piece(content, layer, rows, form, asked, f"{ticket_id}.layer{layer}")
    if layer is not None or rows is not None or form not in {None, "ticket"}:
        detail = "Give a layer with rows, json, packed or npz, and no layer with ticket."
        problem = {"pointer": "layer", "code": "INVALID_COMBINATION", "detail": detail}
        raise InvalidRequest(f"layer: {detail}", [problem])
    names = (f"{ticket_id}.safetensors", f"{file_stem(name)}.ticket.safetensors")
    return send_content(content, names, asked, head=request.method == "HEAD")


@router.get(
    "/export",
    operation_id="export_ticket",
    summary="Download a ticket in another format",
    response_model=None,
    responses={
        **downloads(_EXPORT, *_ALWAYS, ExportRefused, RangeNotSatisfiable),
        202: _BEING_MADE,
    },
)
@router.head(
    "/export",
    operation_id="head_ticket_export",
    summary="What a download in another format would be",
    response_model=None,
    responses={
        **downloads("Headers alone.", *_ALWAYS, ExportRefused, head=True),
        202: body("The file is being made.", Location=LOCATION, Retry_After=RETRY_AFTER),
    },
)
def get_export(
    request: Request,
    caller: Caller,
    parts: PartsDep,
    ticket_id: TicketId,
    asked: ConditionsDep,
    form: Annotated[ExportFormat, Query(alias="format", description="of the file")],
) -> Response:
    """The ticket's network in a format that needs none of our code.

    A worker makes the file when it is first asked for: until then the answer is 202, to be repeated
    after Retry-After seconds, with the job that makes it. Afterwards the file is kept.
    """
    found = open_export(
        parts.store,
        parts.blobs,
        caller.tenant_id,
        ticket_id,
        form,
        parts.settings.max_attempts,
    )
    head = request.method == "HEAD"
    if isinstance(found, Job):
        return _come_again(found, head=head)
    stem = file_stem(found.checkpoint_name)
    names = (f"{ticket_id}{form.suffix}", f"{stem}.ticket{form.suffix}")
    return send_content(found.content, names, asked, head=head)


def _come_again(job: Job, *, head: bool) -> Response:
    resource = JobResource.of(job)
    headers = {"Location": resource.links.self, "Retry-After": str(_RETRY_SECONDS)}
    text = "" if head else resource.model_dump_json()
    return Response(text, 202, headers=headers, media_type="application/json")
