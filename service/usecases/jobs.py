"""Jobs: submit, look, change, cancel, repeat, delete. Running them is the worker's business."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service.domain import Job, JobFilter, JobRequest, Shard
from service.store import Store
from service.usecases.pages import Page, cut_page


def submit_job(store: Store, tenant_id: str, request: JobRequest) -> Job:
    """Queue a job: its row and its wake-up are committed together.

    The files may still be validating: the job waits for them. Raises NotFound, UploadRejected.
    """
    with store.begin() as tx:
        job = tx.jobs.add(tenant_id, request)
    return job


def cancel_job(store: Store, tenant_id: str, job_id: str, reason: str | None = None) -> Job:
    """Cancel a queued job, or ask a running one to stop; a finished one stays as it is."""
    with store.begin() as tx:
        job = tx.jobs.cancel(tenant_id, job_id, reason)
    return job


def retry_job(store: Store, tenant_id: str, job_id: str) -> Job:
    """A new job that asks for the same as a terminal one.

    Raises NotFound, Conflict, UploadRejected.
    """
    with store.begin() as tx:
        job = tx.jobs.retry(tenant_id, job_id)
    return job


def amend_job(
    store: Store,
    tenant_id: str,
    job_id: str,
    labels: Mapping[str, str] | None,
    priority: int | None,
    check: Callable[[Job], None],
) -> Job:
    """Replace labels, and the priority of a queued job, if `check` lets the job as it is pass.

    Raises NotFound, Conflict, and what `check` raises.
    """
    with store.begin() as tx:
        job = tx.jobs.amend(tenant_id, job_id, labels, priority, check)
    return job


def delete_job(store: Store, tenant_id: str, job_id: str) -> None:
    """Delete a terminal job that has no ticket; raises NotFound, Conflict."""
    with store.begin() as tx:
        tx.jobs.delete(tenant_id, job_id)


def get_job(store: Store, tenant_id: str, job_id: str) -> Job:
    """One job of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.jobs.get(tenant_id, job_id)


def read_job_log(store: Store, tenant_id: str, job_id: str) -> bytes:
    """What a job of the tenant wrote to its log so far; raises NotFound."""
    with store.read() as tx:
        return tx.logs.read(tx.jobs.get(tenant_id, job_id).id)


def list_shards(
    store: Store, tenant_id: str, job_id: str, after: int | None, limit: int
) -> list[Shard]:
    """The shards of a job of the tenant above an index, in order; raises NotFound."""
    with store.read() as tx:
        return tx.shards.list(tx.jobs.get(tenant_id, job_id).id, limit, after)


def list_jobs(
    store: Store, tenant_id: str, limit: int, after: str | None, wanted: JobFilter
) -> Page[Job]:
    """A page of the tenant's jobs, newest first, of those that pass the filter."""
    with store.read() as tx:
        return cut_page(tx.jobs.list(tenant_id, limit + 1, after, wanted), limit)
