"""Jobs: the list with its filters, and one job from its submission to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from service.api.deps import JobId, Parts, PartsDep
from service.dashboard.pages import PageRoute, go_to, page, with_query
from service.dashboard.visitors import FormDep, VisitorDep
from service.domain import Event, Job, JobFilter, JobKind, JobStatus
from service.errors import EventsPruned
from service.usecases.events import list_events
from service.usecases.jobs import cancel_job, get_job, list_jobs, read_job_log, retry_job
from service.usecases.uploads import name_checkpoints

router = APIRouter(route_class=PageRoute, include_in_schema=False)

_PAGE = 25
_EVENTS = 200
_LOG_SHOWN = 64 << 10
STAGES = {
    JobKind.CONSTRUCT: ("load", "construct", "verify", "evaluate"),
    JobKind.ESTIMATE: ("load", "estimate", "evaluate"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The list's filters, as the address names them."""

    status: JobStatus | None
    kind: JobKind | None
    label: str
    batch: str | None

    def filter(self) -> JobFilter:
        """For the store."""
        name, _, value = self.label.partition("=")
        labels = ((name.strip(), value.strip()),) if name.strip() else ()
        return JobFilter(self.status, self.kind, batch_id=self.batch, labels=labels)


@router.get("/")
def show_list(
    request: Request,
    parts: PartsDep,
    visitor: VisitorDep,
    status: Annotated[str, Query(max_length=20)] = "",
    kind: Annotated[str, Query(max_length=20)] = "",
    label: Annotated[str, Query(max_length=320)] = "",
    batch: Annotated[str, Query(pattern=r"^([a-z]{3}_[0-9a-z]{26})?$")] = "",
    cursor: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """The tenant's jobs, newest first; the table alone refreshes itself."""
    asked = Asked(
        JobStatus(status) if status in list(JobStatus) else None,
        JobKind(kind) if kind in list(JobKind) else None,
        label,
        batch or None,
    )
    scope = f"dashboard jobs/{visitor.tenant_id}/{asked!r}"
    after = parts.cursors.decode(scope, cursor) if cursor else None
    found = list_jobs(parts.store, visitor.tenant_id, _PAGE, after, asked.filter())
    following = found.next_after and parts.cursors.encode(scope, found.next_after)
    fields = {"status": asked.status, "kind": asked.kind, "label": label, "batch": batch}
    return page(
        request,
        "jobs.html",
        visitor,
        jobs=found.items,
        names=name_checkpoints(parts.store, visitor.tenant_id, _checkpoints(found.items)),
        asked=asked,
        statuses=list(JobStatus),
        kinds=list(JobKind),
        here=with_query("/", **fields, cursor=cursor),
        following=following and with_query("/", **fields, cursor=following),
        first=cursor and with_query("/", **fields),
        active=any(not job.status.terminal for job in found.items),
    )


def _checkpoints(jobs: Sequence[Job]) -> set[str]:
    return {job.checkpoint_id for job in jobs if job.checkpoint_id is not None}


@router.get("/jobs/{job_id}")
def show_job(request: Request, parts: PartsDep, visitor: VisitorDep, job_id: JobId) -> Response:
    """One job. While it is not terminal, its upper part refreshes itself."""
    job, events, pruned = _history(parts, visitor.tenant_id, job_id)
    log = read_job_log(parts.store, visitor.tenant_id, job_id)
    return page(
        request,
        "job.html",
        visitor,
        job=job,
        events=events,
        pruned=pruned,
        log=log[-_LOG_SHOWN:].decode(errors="replace"),
        log_cut=len(log) > _LOG_SHOWN,
        stages=STAGES.get(job.kind, ()),
        names=name_checkpoints(parts.store, visitor.tenant_id, _checkpoints([job])),
    )


@router.get("/jobs/{job_id}/live")
def show_progress(
    request: Request, parts: PartsDep, visitor: VisitorDep, job_id: JobId
) -> Response:
    """What changes about a job while it runs; asks for itself again until the job has ended."""
    job, events, pruned = _history(parts, visitor.tenant_id, job_id)
    return page(
        request,
        "job_live.html",
        visitor,
        job=job,
        events=events,
        pruned=pruned,
        stages=STAGES.get(job.kind, ()),
    )


def _history(parts: Parts, tenant_id: str, job_id: str) -> tuple[Job, list[Event], bool]:
    """The job, what happened to it, and whether some of that is no longer kept."""
    try:
        job, events = list_events(parts.store, tenant_id, job_id, 0, _EVENTS)
        return job, events, False
    except EventsPruned:
        return get_job(parts.store, tenant_id, job_id), [], True


@router.post("/jobs/{job_id}/cancel")
def cancel(
    request: Request, parts: PartsDep, visitor: VisitorDep, job_id: JobId, _form: FormDep
) -> Response:
    """Cancel, and show what became of it."""
    cancel_job(parts.store, visitor.tenant_id, job_id, "canceled from the dashboard")
    return go_to(request, f"/jobs/{job_id}")


@router.post("/jobs/{job_id}/retry")
def retry(
    request: Request, parts: PartsDep, visitor: VisitorDep, job_id: JobId, _form: FormDep
) -> Response:
    """Submit the same again, and show the new job."""
    job = retry_job(parts.store, visitor.tenant_id, job_id)
    return go_to(request, f"/jobs/{job.id}")
