"""What happened to a job, and what it wrote to its log."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from service.api.deps import Caller, JobId, PartsDep
from service.api.event_streams import stream_events
from service.api.ranges import read_range
from service.api.responses import REQUEST_ID, body, problems
from service.api.schemas import EventPage, EventResource
from service.errors import EventsPruned, InvalidRequest, NotFound
from service.usecases.events import list_events
from service.usecases.jobs import read_job_log

_LARGEST_PAGE = 200
_LARGEST_NUMBER = 2**31 - 1
_SSE = "text/event-stream"
_NUMBER = re.compile(r"[0-9]{1,9}")

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get(
    "/{job_id}/events",
    operation_id="list_job_events",
    summary="Follow a job's events",
    response_model=EventPage,
    responses={
        200: {
            **body("A page, oldest first; or a stream."),
            "content": {
                _SSE: {
                    "schema": {"type": "string"},
                    "example": 'id: 2\nevent: job.started\ndata: {"seq": 2, "type": '
                    '"job.started", "data": {"attempt": 1}, "created_at": '
                    '"2026-11-23T12:00:03Z"}\n\n',
                }
            },
        },
        **problems(EventsPruned, InvalidRequest, NotFound),
    },
)
async def list_job_events(
    caller: Caller,
    parts: PartsDep,
    job_id: JobId,
    after: Annotated[
        int, Query(ge=0, le=_LARGEST_NUMBER, description="only events with a higher number")
    ] = 0,
    limit: Annotated[
        int, Query(ge=1, description=f"of a page; more than {_LARGEST_PAGE} means {_LARGEST_PAGE}")
    ] = _LARGEST_PAGE,
    accept: Annotated[str, Header(description=f"`{_SSE}` for a stream")] = "application/json",
    last_event_id: Annotated[
        str | None, Header(description="of a stream: go on after this event, whatever `after` says")
    ] = None,
) -> EventPage | Response:
    """A job's events as pages of JSON, or with `Accept: text/event-stream` as they happen.

    The stream (server-sent events) begins after `after` or Last-Event-ID and misses nothing: each
    event's `id` is its number. Between them come messages of the type `progress`, without an id.
    The last message is of the type `end`; a stream that ends without it was interrupted, and goes
    on where it was when asked again with Last-Event-ID.
    """
    streamed = _SSE in accept.lower()
    start = _number(last_event_id) if streamed and last_event_id else after
    count = _LARGEST_PAGE if streamed else min(limit, _LARGEST_PAGE)
    job, found = await run_in_threadpool(
        list_events, parts.store, caller.tenant_id, job_id, start, count + (not streamed)
    )
    if streamed:
        return StreamingResponse(
            stream_events(parts.store, parts.watch, job, found, start),
            media_type=_SSE,
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )
    shown = found[:count]
    return EventPage(
        data=[EventResource.of(event) for event in shown],
        next_after=shown[-1].seq if shown else start,
        has_more=len(found) > count,
        terminal=job.status.terminal,
    )


def _number(last_event_id: str) -> int:
    if not _NUMBER.fullmatch(last_event_id):
        detail = "it must be the id of an event of this stream"
        item = {"parameter": "last-event-id", "code": "INT_PARSING", "detail": detail}
        raise InvalidRequest(f"Last-Event-ID: {detail}", [item])
    return int(last_event_id)


@router.get(
    "/{job_id}/logs",
    operation_id="get_job_log",
    summary="Read a job's log",
    response_class=Response,
    responses={
        200: {
            "description": "The log so far: lines of plain text in UTF-8.",
            "headers": {
                "X-Request-ID": REQUEST_ID,
                "Accept-Ranges": {"schema": {"type": "string"}},
            },
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        206: {
            "description": "The bytes that Range asks for.",
            "headers": {
                "X-Request-ID": REQUEST_ID,
                "Content-Range": {"schema": {"type": "string"}},
            },
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        416: {
            "description": "The log has no such bytes (yet); Content-Range gives its size.",
            "headers": {
                "X-Request-ID": REQUEST_ID,
                "Content-Range": {"schema": {"type": "string"}},
            },
        },
        **problems(NotFound),
    },
)
def get_job_log(
    caller: Caller,
    parts: PartsDep,
    job_id: JobId,
    byte_range: Annotated[
        str | None,
        Header(alias="Range", description="`bytes=N-` for what was written since N bytes ago"),
    ] = None,
) -> Response:
    """What the job's attempts wrote: their starts, stages and ends, warnings, and errors' traces.

    Bounded: a job that writes too much loses the rest. A log grows while the job runs.
    """
    log = read_job_log(parts.store, caller.tenant_id, job_id)
    headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-store"}
    media_type = "text/plain; charset=utf-8"
    wanted = read_range(byte_range, len(log))
    if wanted is None:
        return Response(log, media_type=media_type, headers=headers)
    if not wanted:
        headers["Content-Range"] = f"bytes */{len(log)}"
        return Response(status_code=416, headers=headers)
    headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{len(log)}"
    part = log[wanted.start : wanted.stop]
    return Response(part, status_code=206, media_type=media_type, headers=headers)
