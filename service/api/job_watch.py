"""Watching jobs: one look at the database for all streams and waiting requests of this process."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog
from starlette.concurrency import run_in_threadpool

from service.domain import Event, JobMark
from service.errors import StorageUnavailable
from service.store import Store
from service.usecases.events import look_at_jobs

_RECENT = 256

Seen = TypeVar("Seen")

_log = structlog.get_logger("service.api.job_watch")


class WatchedJob:
    """What is known of a job that somebody watches, and a signal at each change."""

    def __init__(self) -> None:
        self.mark: JobMark | None = None
        self.gone = False
        self.watchers = 0
        self._recent: deque[Event] = deque(maxlen=_RECENT)
        self._changed = asyncio.Event()

    @property
    def signal(self) -> asyncio.Event:
        """Set at the next change; take it before looking, so that no change is missed."""
        return self._changed

    def recent_after(self, seq: int) -> list[Event] | None:
        """The events above a number, or None where they have to be asked from the database."""
        found = [event for event in self._recent if event.seq > seq]
        complete = bool(found) and found[0].seq == seq + 1
        return found if complete else None

    def update(self, mark: JobMark | None, news: list[Event]) -> None:
        """Take what a look found; None: the job is gone."""
        self._recent.extend(news)
        if mark != self.mark or mark is None:
            self.mark, self.gone = mark, mark is None
            self.wake()

    def wake(self) -> None:
        """Make all watchers look."""
        self._changed.set()
        self._changed = asyncio.Event()


class JobWatch:
    """Looks at all watched jobs together, at intervals, as long as there are any."""

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds
        self._jobs: dict[str, WatchedJob] = {}
        self._task: asyncio.Task[None] | None = None
        self.closing = False

    @contextmanager
    def watch(self, job_id: str) -> Iterator[WatchedJob]:
        """Watch a job; to be used from the event loop."""
        job = self._jobs.setdefault(job_id, WatchedJob())
        job.watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look_on())
        try:
            yield job
        finally:
            job.watchers -= 1
            if not job.watchers:
                del self._jobs[job_id]

    @property
    def watched(self) -> int:
        """How many jobs are watched."""
        return len(self._jobs)

    @property
    def watchers(self) -> int:
        """How many streams and waiting requests there are."""
        return sum(job.watchers for job in self._jobs.values())

    def close(self) -> None:
        """Let all streams and waiting requests come to their end: the process is stopping."""
        self.closing = True
        for job in self._jobs.values():
            job.wake()

    async def _look_on(self) -> None:
        while self._jobs and not self.closing:
            try:
                await self._look()
            except StorageUnavailable as failure:
                _log.warning("cannot look at watched jobs", error=failure.detail)
            await asyncio.sleep(self._seconds)

    async def _look(self) -> None:
        known = {
            job_id: None if job.mark is None else job.mark.last_event
            for job_id, job in self._jobs.items()
        }
        marks, events = await run_in_threadpool(look_at_jobs, self._store, known)
        news: dict[str, list[Event]] = {}
        for event in events:
            news.setdefault(event.subject_id, []).append(event)
        for job_id in known:
            # A job that found a new watcher meanwhile may be another record of the same id.
            job = self._jobs.get(job_id)
            if job is not None:
                job.update(marks.get(job_id), news.get(job_id, []))


async def await_change(
    watch: JobWatch,
    job_id: str,
    look: Callable[[], Awaitable[tuple[Seen, str]]],
    tag: str,
    seconds: float,
) -> tuple[Seen, str]:
    """Look at a job until its tag is another one or time is up; what was seen last, and its tag."""
    with watch.watch(job_id) as watched:
        seen, found = await look()
        try:
            async with asyncio.timeout(seconds):
                while found == tag and not watch.closing:
                    signal = watched.signal
                    seen, found = await look()
                    if found == tag:
                        await signal.wait()
        except TimeoutError:
            _log.debug("nothing changed in time", job_id=job_id)
        return seen, found
