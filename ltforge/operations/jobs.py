"""Jobs: submitted, followed, waited for, ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from ltforge.calls import (
    Identified,
    address,
    attempt,
    create,
    delete,
    get,
    get_text,
    id_of,
    pages,
    patch,
    post,
)
from ltforge.errors import JobCanceledError, JobFailedError
from ltforge.events import follow_events
from ltforge.exchange import Flow, Stream, document_of, json_request, terms
from ltforge.records import read_record
from ltforge.resources import Event, EventPage, JobRecord, Problem, Progress, ShardPage
from ltforge.waiting import Look, wait_until

JOBS = "/v1/jobs"
_LONGEST_WAIT = 30.0
"""Seconds the service is asked to wait for a change of a job."""


def submit_job(
    submission: Mapping[str, Any], *, idempotency_key: str | None = None
) -> Flow[JobRecord]:
    """Queue a job from a submission as openapi.yaml describes it.

    ``submit``, ``estimate`` and ``statistics`` write the submission for you.

    Args:
        submission: kind, checkpoint_id, spec, and what else the kind takes.
        idempotency_key: names this submission, so that it happens once however often it is sent;
            a new one where none is given.
    """
    return (yield from create(JobRecord, JOBS, submission, idempotency_key=idempotency_key))


def submit(
    checkpoint: Identified | str | None,
    spec: Mapping[str, Any],
    dataset: Identified | str | None = None,
    labels: Mapping[str, str] | None = None,
    *,
    kind: str = "construct",
    idempotency_key: str | None = None,
    **conditions: Any,
) -> Flow[JobRecord]:
    """Ask for a ticket of ``checkpoint``. Returns at once; ``Job.wait`` waits for the end.

    Args:
        checkpoint: the target network.
        spec: what to construct.
        dataset: on which accuracies are measured.
        labels: names with values, kept with the job.
        kind: other kinds of jobs are easier to ask for by ``estimate`` and ``statistics``.
        idempotency_key: as in ``submit_job``.
        conditions: priority, timeout_s, queue_timeout_s, max_attempts; replicates of an estimate.
    """
    submission: dict[str, Any] = {"kind": kind, "spec": dict(spec), **conditions}
    if checkpoint is not None:
        submission["checkpoint_id"] = id_of(checkpoint)
    if dataset is not None:
        submission["dataset_id"] = id_of(dataset)
    if labels:
        submission["labels"] = dict(labels)
    return (yield from submit_job(submission, idempotency_key=idempotency_key))


def estimate(
    checkpoint: Identified | str,
    spec: Mapping[str, Any],
    dataset: Identified | str | None = None,
    labels: Mapping[str, str] | None = None,
    *,
    replicates: int = 3,
) -> Flow[JobRecord]:
    """Ask what tickets of ``checkpoint`` would be like, where it is too large to construct any.

    A sample of their problems is solved exactly, for ``replicates`` sources; the report, with
    confidence intervals, is the finished job's ``metrics``.
    """
    return (
        yield from submit(checkpoint, spec, dataset, labels, kind="estimate", replicates=replicates)
    )


def statistics(
    question: Mapping[str, Any] | None = None, labels: Mapping[str, str] | None = None
) -> Flow[JobRecord]:
    """Ask how often random subset-sum problems fail; the answer is the job's ``metrics``.

    Args:
        question: distribution, candidates, tolerance, target, largest_subset, trials and seed;
            what is left out takes the service's default.
        labels: names with values, kept with the job.
    """
    return (yield from submit(None, question or {}, labels=labels, kind="statistics"))


def get_job(job: Identified | str) -> Flow[JobRecord]:
    """A job as it is now."""
    return (yield from get(JobRecord, address(JOBS, job)))


def list_jobs(
    *,
    status: str | None = None,
    kind: str | None = None,
    checkpoint: Identified | str | None = None,
    batch: Identified | str | None = None,
    parent: Identified | str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    label: str | None = None,
    page_size: int = 50,
) -> Stream[JobRecord]:
    """Your jobs, newest first; of several filters, all have to fit (``label``: ``name=value``)."""
    filters = {
        "status": status,
        "kind": kind,
        "checkpoint_id": None if checkpoint is None else id_of(checkpoint),
        "batch_id": None if batch is None else id_of(batch),
        "parent_id": None if parent is None else id_of(parent),
        "created_after": None if created_after is None else created_after.isoformat(),
        "created_before": None if created_before is None else created_before.isoformat(),
        "label": label,
    }
    yield from pages(JobRecord, JOBS, filters, page_size)


def change_job(
    job: Identified | str,
    *,
    labels: Mapping[str, str] | None = None,
    priority: int | None = None,
) -> Flow[JobRecord]:
    """Replace a job's labels, or the priority of a queued one; what is None stays as it is."""
    asked = {"labels": None if labels is None else dict(labels), "priority": priority}
    changes = {name: value for name, value in asked.items() if value is not None}
    return (yield from patch(JobRecord, address(JOBS, job), changes))


def cancel_job(job: Identified | str, reason: str | None = None) -> Flow[JobRecord]:
    """Ask a job to stop. Harmless to repeat, and no effect on a finished job."""
    why = None if reason is None else {"reason": reason}
    return (yield from post(JobRecord, address(JOBS, job, "cancel"), why))


def retry_job(job: Identified | str, *, idempotency_key: str | None = None) -> Flow[JobRecord]:
    """Submit a finished job again, as a new one."""
    path = address(JOBS, job, "retry")
    return (yield from create(JobRecord, path, None, idempotency_key=idempotency_key))


def delete_job(job: Identified | str) -> Flow[None]:
    """Delete a finished job whose ticket is gone."""
    yield from delete(address(JOBS, job))


def get_job_log(job: Identified | str, *, start: int = 0) -> Flow[str]:
    """What the job's attempts wrote, from byte ``start`` on."""
    ranged = {"Range": f"bytes={start}-"} if start else {}
    return (yield from get_text(address(JOBS, job, "logs"), headers=ranged))


def list_job_events(job: Identified | str, *, after: int = 0, limit: int = 200) -> Flow[EventPage]:
    """A page of what happened to a job, oldest first; ``iter_events`` goes on as it happens."""
    return (
        yield from get(EventPage, address(JOBS, job, "events"), {"after": after, "limit": limit})
    )


def list_job_shards(
    job: Identified | str, *, after: int | None = None, limit: int = 200
) -> Flow[ShardPage]:
    """A page of the parts into which a large construction was divided."""
    asked = {"after": after, "limit": limit}
    return (yield from get(ShardPage, address(JOBS, job, "shards"), asked))


def iter_events(job: Identified | str, *, after: int = 0, progress: bool = True) -> Stream[Event]:
    """What happens to a job, as it happens, until it has ended.

    Lost connections are made again; no event is lost or doubled over them.

    Args:
        job: which one.
        after: only events with a higher ``seq``.
        progress: whether messages about progress, which have no ``seq``, are wanted too.

    Raises:
        NoAnswerError: the service stayed away for ``retries.patience`` seconds.
    """
    yield from follow_events(address(JOBS, job, "events"), after, progress=progress)


def wait_for_job(
    job: Identified | str,
    timeout: float = 3600.0,
    on_progress: Callable[[JobRecord], None] | None = None,
) -> Flow[JobRecord]:
    """Wait until a job has ended and return it with its metrics, and its ticket's id if any.

    Args:
        job: which one.
        timeout: seconds to wait at most.
        on_progress: called with the job every time its status or progress has changed.

    Raises:
        JobFailedError: the job ended without a result; the error has its code and reason.
        WaitTimeoutError: ``timeout`` seconds passed first; the job goes on.
    """
    watch = _Watch(address(JOBS, job))
    final = yield from wait_until(
        watch.look,
        lambda seen: seen.terminal,
        timeout=timeout,
        what=f"job {id_of(job)}",
        seen=_only_changes(on_progress),
    )
    if final.status == "succeeded":
        return final
    raise _failure(final)


class _Watch:
    """Looks at a job, each time for a change of what was seen last."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._etag: str | None = None
        self._last: JobRecord | None = None

    def look(self, left: float) -> Flow[Look[JobRecord]]:
        timeout = (yield from terms()).timeout
        # Less than the connection's own timeout, which would take a long wait for a dead service.
        seconds = int(min(left, _LONGEST_WAIT, timeout / 2))
        headers = {"Prefer": f"wait={seconds}"} if seconds and self._etag else {}
        if self._etag is not None:
            headers["If-None-Match"] = self._etag
        reply = yield from attempt(json_request("GET", self._path, headers=headers))
        if not reply.unchanged or self._last is None:
            self._last = read_record(JobRecord, document_of(reply))
            self._etag = reply.headers.get("ETag")
        return Look(self._last, waited="Preference-Applied" in reply.headers)


def _only_changes(
    on_progress: Callable[[JobRecord], None] | None,
) -> Callable[[JobRecord], None]:
    last: list[tuple[str, Progress]] = []

    def seen(job: JobRecord) -> None:
        state = (job.status, job.progress)
        if on_progress is not None and last != [state]:
            last[:] = [state]
            on_progress(job)

    return seen


def _failure(job: JobRecord) -> JobFailedError:
    kind = JobCanceledError if job.status == "canceled" else JobFailedError
    reason = job.error or Problem(
        code=f"JOB_{job.status.upper()}", detail=f"job {job.id} {job.status}"
    )
    return kind(reason.code, reason.detail, job=job)
