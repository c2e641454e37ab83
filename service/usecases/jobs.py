"""Jobs: submit, look, cancel. Running them is the worker's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain import Job, JobKind, JobStatus
from service.store import Store
from service.usecases.pages import Page, cut_page


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a tenant wants done; the spec is complete and checked, and fits the kind."""

    kind: JobKind
    spec: dict[str, Any]
    checkpoint_id: str | None = None
    dataset_id: str | None = None
    replicates: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def submit_job(store: Store, tenant_id: str, request: JobRequest, max_attempts: int) -> Job:
    """Queue a job: its row and its wake-up are committed together.

    The files may still be validating: the job waits for them. Raises NotFound, UploadRejected.
    """
    with store.begin() as tx:
        job = tx.jobs.add(
            tenant_id,
            request.checkpoint_id,
            request.dataset_id,
            request.spec,
            dict(request.labels),
            max_attempts,
            kind=request.kind,
            replicates=request.replicates,
        )
    return job


def cancel_job(store: Store, tenant_id: str, job_id: str) -> Job:
    """Cancel a queued job, or ask a running one to stop; a finished one stays as it is."""
    with store.begin() as tx:
        job = tx.jobs.cancel(tenant_id, job_id)
    return job


def get_job(store: Store, tenant_id: str, job_id: str) -> Job:
    """One job of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.jobs.get(tenant_id, job_id)


def list_jobs(
    store: Store,
    tenant_id: str,
    limit: int,
    after: str | None,
    status: JobStatus | None,
    kind: JobKind | None,
) -> Page[Job]:
    """A page of the tenant's jobs, newest first; of one status and one kind, if given."""
    with store.read() as tx:
        return cut_page(tx.jobs.list(tenant_id, limit + 1, after, status, kind), limit)
