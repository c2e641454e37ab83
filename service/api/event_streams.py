"""A job's events as server-sent events (the WHATWG's EventSource reads them)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import structlog
from starlette.concurrency import run_in_threadpool

from service.api.job_watch import JobWatch, WatchedJob
from service.domain import Event, Job, JobMark, Progress
from service.errors import ServiceError
from service.store import Store
from service.usecases.events import list_events

PING_SECONDS = 15.0
_RECONNECT = b"retry: 2000\n\n"
_PING = b": ping\n\n"
_PAGE = 200

_log = structlog.get_logger("service.api.event_streams")


async def stream_events(
    store: Store,
    watch: JobWatch,
    job: Job,
    first: list[Event],
    after: int,
    ping_seconds: float = PING_SECONDS,
) -> AsyncIterator[bytes]:
    """All events above `after`, then those to come, until the job has ended.

    `first` begins the events. Each carries its number as `id`, so a client that comes back with
    Last-Event-ID misses nothing. Progress is sent without a number, as it is no event. The last
    message is `end`; without it, the connection broke or the service stopped: come back.
    """
    with watch.watch(job.id) as watched:
        yield _RECONNECT
        sent, shown = after, None
        news = first
        while not watch.closing:
            signal = watched.signal
            for event in news:
                sent = event.seq
                yield _event_frame(event)
            if len(news) < _PAGE:
                mark = watched.mark
                if watched.gone:
                    return
                if mark is not None and mark.progress != shown:
                    shown = mark.progress
                    yield _progress_frame(mark)
                if mark is not None and mark.status.terminal and mark.last_event <= sent:
                    yield _frame("end", {"status": mark.status})
                    return
                if mark is None or mark.last_event <= sent:
                    async for ping in _wait(signal, ping_seconds):
                        yield ping
            try:
                news = await _after(store, watched, job, sent)
            except ServiceError as failure:
                # The client comes back and learns the reason as a problem document.
                _log.info("event stream ends", job_id=job.id, code=failure.code)
                return


async def _wait(signal: asyncio.Event, ping_seconds: float) -> AsyncIterator[bytes]:
    """A sign of life now and then, until the signal."""
    while True:
        try:
            async with asyncio.timeout(ping_seconds):
                await signal.wait()
        except TimeoutError:
            yield _PING
        else:
            return


async def _after(store: Store, watched: WatchedJob, job: Job, sent: int) -> list[Event]:
    """The events above a number: as a rule those that all watchers share."""
    if watched.mark is not None and watched.mark.last_event <= sent:
        return []
    recent = watched.recent_after(sent)
    if recent is not None:
        return recent
    _, found = await run_in_threadpool(list_events, store, job.tenant_id, job.id, sent, _PAGE)
    return found


def _event_frame(event: Event) -> bytes:
    document = {
        "seq": event.seq,
        "type": event.type,
        "data": event.data,
        "created_at": event.created_at.isoformat().replace("+00:00", "Z"),
    }
    return f"id: {event.seq}\n".encode() + _frame(event.type, document)


def _progress_frame(mark: JobMark) -> bytes:
    progress = Progress.at(*mark.progress)
    return _frame(
        "progress",
        {
            "stage": progress.stage,
            "done": progress.done,
            "total": progress.total,
            "fraction": progress.fraction,
        },
    )


def _frame(name: str, document: dict[str, object]) -> bytes:
    # ASCII JSON has no line breaks, so no event can forge another.
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()
