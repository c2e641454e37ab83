"""Tickets: records, files, pieces of masks, exports, verdicts and comparisons; and plans."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from ltforge.calls import (
    Identified,
    Parameters,
    address,
    attempt,
    delete,
    get,
    get_document,
    given,
    id_of,
    pages,
    post,
)
from ltforge.downloads import announced_digest, fetch_file
from ltforge.errors import CorruptTransferError, ResponseError
from ltforge.exchange import Flow, Reply, Request, Stream, document_of, json_request, terms
from ltforge.operations.jobs import wait_for_job
from ltforge.records import read_record
from ltforge.resources import FileHead, JobRecord, MaskPiece, TicketRecord

TICKETS = "/v1/tickets"
PLANS = "/v1/plans"
COMPARISONS = "/v1/comparisons"
LONGEST_ANSWER = 10.0
"""Seconds a plan may take before it is waited for as a job."""

_OK, _ACCEPTED = 200, 202


@dataclass(frozen=True, kw_only=True)
class PlanAnswer:
    """A plan, or the job that makes it."""

    plan: dict[str, Any] | None = None
    job: JobRecord | None = None


def get_ticket(ticket: Identified | str) -> Flow[TicketRecord]:
    """One ticket's record."""
    return (yield from get(TicketRecord, address(TICKETS, ticket)))


def list_tickets(
    *,
    job: Identified | str | None = None,
    checkpoint: Identified | str | None = None,
    construction: str | None = None,
    label: str | None = None,
    page_size: int = 50,
) -> Stream[TicketRecord]:
    """Your tickets, newest first; all filters have to fit (``label``: ``name=value``)."""
    filters = {
        "job_id": None if job is None else id_of(job),
        "checkpoint_id": None if checkpoint is None else id_of(checkpoint),
        "construction": construction,
        "label": label,
    }
    yield from pages(TicketRecord, TICKETS, filters, page_size)


def delete_ticket(ticket: Identified | str) -> Flow[None]:
    """Delete a ticket with its file and exports, for good."""
    yield from delete(address(TICKETS, ticket))


def get_ticket_metrics(ticket: Identified | str) -> Flow[dict[str, Any]]:
    """The report made when the ticket was constructed."""
    return (yield from get_document(address(TICKETS, ticket, "metrics")))


def verify_ticket(ticket: Identified | str) -> Flow[JobRecord]:
    """Queue a verification of a ticket; ``verify`` waits for its verdict."""
    return (yield from post(JobRecord, address(TICKETS, ticket, "verify")))


def verify(ticket: Identified | str, *, timeout: float = 600.0) -> Flow[dict[str, Any]]:
    """The verdict of the service's verifier: valid, reasons, largest_parameter_error."""
    return (yield from _report(verify_ticket(ticket), timeout))


def compare_tickets(first: Identified | str, second: Identified | str) -> Flow[JobRecord]:
    """Queue a comparison of two tickets; ``compare`` waits for it."""
    asked = {"ticket_id": id_of(first), "other_ticket_id": id_of(second)}
    return (yield from post(JobRecord, COMPARISONS, asked))


def compare(
    first: Identified | str, second: Identified | str, *, timeout: float = 600.0
) -> Flow[dict[str, Any]]:
    """Two tickets beside each other: specs, figures, kept cells and common cells."""
    return (yield from _report(compare_tickets(first, second), timeout))


def _report(submission: Flow[JobRecord], timeout: float) -> Flow[dict[str, Any]]:
    """The metrics of a job, once it has succeeded."""
    job = yield from submission
    return (yield from wait_for_job(job, timeout)).metrics or {}


def make_plan(
    checkpoint: Identified | str, spec: Mapping[str, Any], *, wait_seconds: float = LONGEST_ANSWER
) -> Flow[PlanAnswer]:
    """Ask for a plan: it, if made within ``wait_seconds``, else the job that makes it."""
    asked = {"checkpoint_id": id_of(checkpoint), "spec": dict(spec)}
    # Less than the connection's own timeout, or it would give up before the service does.
    seconds = int(min(wait_seconds, (yield from terms()).timeout / 2))
    headers = {"Prefer": f"wait={seconds}"}
    reply = yield from attempt(json_request("POST", PLANS, asked, headers=headers))
    document = document_of(reply)
    if reply.status == _OK:
        return PlanAnswer(plan=document)
    return PlanAnswer(job=read_record(JobRecord, document))


def plan(
    checkpoint: Identified | str, spec: Mapping[str, Any], *, timeout: float = 300.0
) -> Flow[dict[str, Any]]:
    """What a construction would lay out, find and cost, without constructing anything.

    Args:
        checkpoint: the target network.
        spec: what would be constructed.
        timeout: seconds to wait at most.

    Raises:
        LTForgeError: no plan can be made; the code is the one a construction would fail with.
        WaitTimeoutError: ``timeout`` seconds passed first.
    """
    patience = min(timeout, LONGEST_ANSWER)
    answer = yield from make_plan(checkpoint, spec, wait_seconds=patience)
    if answer.job is None:
        return answer.plan or {}
    return (yield from wait_for_job(answer.job, timeout - patience)).metrics or {}


def download_mask(ticket: Identified | str, path: str | PathLike[str]) -> Flow[Path]:
    """Download the ticket file, check its digest, and only then give it its name.

    A transfer that breaks goes on where it broke.

    Raises:
        CorruptTransferError: the bytes are not those announced; nothing is left behind.
    """
    return (yield from fetch_file(address(TICKETS, ticket, "mask"), {}, Path(path)))


def get_ticket_mask(
    ticket: Identified | str,
    *,
    layer: int | None = None,
    rows: str | None = None,
    form: str | None = None,
) -> Flow[bytes]:
    """The ticket file, or rows of one layer's mask, in memory.

    Args:
        ticket: whose mask.
        layer: a source layer, from 1; None is the whole file.
        rows: ``first:end`` of that layer.
        form: json, packed or npz, for rows.

    Raises:
        CorruptTransferError: the bytes are not those that the ETag announced.
    """
    asked = {"layer": layer, "rows": rows, "format": form}
    headers = {"Accept": "application/octet-stream"}
    path = address(TICKETS, ticket, "mask")
    reply = yield from attempt(Request("GET", path, parameters=given(asked), headers=headers))
    announced = announced_digest(reply.headers.get("ETag"))
    if layer is None and announced != hashlib.sha256(reply.content).hexdigest():
        raise CorruptTransferError(
            "DIGEST_MISMATCH", f"{path} is not what its ETag announces; download it again"
        )
    return reply.content


def mask_rows(
    ticket: Identified | str, layer: int, first: int = 0, end: int | None = None
) -> Flow[MaskPiece]:
    """The kept columns and biases of some rows of a source layer (from 1), as one piece.

    ``next_row`` of the answer says where to go on if it does not hold all that was asked for.
    """
    rows = f"{first}:{'' if end is None else end}"
    asked: Parameters = {"layer": layer, "rows": rows}
    return (yield from get(MaskPiece, address(TICKETS, ticket, "mask"), asked))


def head_ticket_mask(ticket: Identified | str) -> Flow[FileHead]:
    """How large the ticket file is, and its digest."""
    return _file_head((yield from _head(address(TICKETS, ticket, "mask"), {})))


def head_ticket_export(ticket: Identified | str, form: str) -> Flow[FileHead]:
    """How large an exported file is; or which job makes it, where it is not there yet."""
    return _file_head((yield from _head(*_export(ticket, form))))


def export_ticket(
    ticket: Identified | str, form: str, path: str | PathLike[str], *, timeout: float = 600.0
) -> Flow[Path]:
    """Download a ticket as state_dict, safetensors, sparse_safetensors, npz or onnx.

    Args:
        ticket: which one.
        form: the format.
        path: where the file goes.
        timeout: seconds to wait for the file to be made.

    Raises:
        JobFailedError: the service cannot make the file.
        WaitTimeoutError: it was not made within ``timeout`` seconds.
    """
    head = yield from head_ticket_export(ticket, form)
    if head.being_made_by is not None:
        yield from wait_for_job(head.being_made_by, timeout)
    return (yield from fetch_file(*_export(ticket, form), Path(path)))


def _export(ticket: Identified | str, form: str) -> tuple[str, Parameters]:
    return address(TICKETS, ticket, "export"), {"format": form}


def _head(path: str, parameters: Parameters) -> Flow[Reply]:
    """The head of a download. A refusal has no body to say why, so GET is asked for it."""
    request = Request("HEAD", path, parameters=given(parameters))
    try:
        return (yield from attempt(request))
    except ResponseError as refusal:
        # GET may succeed by now: then the refusal stands, of a moment ago.
        yield from attempt(Request("GET", path, parameters=given(parameters)))
        raise refusal from None


def _file_head(reply: Reply) -> FileHead:
    location = reply.headers.get("Location", "")
    return FileHead(
        bytes=int(reply.headers.get("Content-Length", "0")),
        sha256=announced_digest(reply.headers.get("ETag")),
        media_type=reply.headers.get("Content-Type"),
        being_made_by=location.rpartition("/")[2] if reply.status == _ACCEPTED else None,
    )
