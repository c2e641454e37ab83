"""Tickets in other formats: made by a worker when they are first asked for, then kept."""

from __future__ import annotations

from dataclasses import dataclass

from ltengine.export.formats import ExportFormat
from service.domain import Job, JobKind, JobRequest, JobStatus, TicketExport
from service.errors import ExportRefused, NotFound
from service.store import Store, Transaction
from service.store.blobs import BlobStore
from service.usecases.contents import FileContent
from service.usecases.plans import FAULTS


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A ticket in another format, and its checkpoint's name as the tenant gave it."""

    content: FileContent
    checkpoint_name: str


def open_export(
    store: Store,
    blobs: BlobStore,
    tenant_id: str,
    ticket_id: str,
    form: ExportFormat,
    max_attempts: int,
) -> ExportFile | Job:
    """The file, or the job that makes it; a job is queued where there is none.

    Raises NotFound, or ExportRefused where the ticket does not fit the format.
    """
    with store.read() as tx:
        ticket = tx.tickets.get(tenant_id, ticket_id)
        name = tx.checkpoints.name_of(tenant_id, ticket.checkpoint_id)
        known = tx.exports.find(ticket_id, form)
    if known is not None and known.sha256 is not None and blobs.exists(known.sha256):
        path = blobs.path(known.sha256)
        return ExportFile(FileContent(path, known.sha256, known.bytes or 0), name)
    with store.begin() as tx:
        return _maker(tx, tenant_id, ticket_id, form, max_attempts)


def _maker(
    tx: Transaction, tenant_id: str, ticket_id: str, form: ExportFormat, max_attempts: int
) -> Job:
    """The job that makes an export, asked for now or before."""
    tx.tickets.hold(tenant_id, ticket_id)
    spec = {"ticket_id": ticket_id, "format": form.value}
    request = JobRequest(JobKind.EXPORT, spec, max_attempts=max_attempts)
    known = tx.exports.find(ticket_id, form)
    if known is not None:
        job = _making(tx, tenant_id, known)
        if job is not None:
            return job
        job = tx.jobs.add(tenant_id, request)
        tx.exports.want_again(known, job.id)
        return job
    job = tx.jobs.add(tenant_id, request)
    if tx.exports.want(ticket_id, form, job.id):
        return job
    # Two clients asked at once; the other one's job makes the same file.
    tx.jobs.cancel(tenant_id, job.id)
    other = tx.exports.find(ticket_id, form)
    assert other is not None
    return tx.jobs.get(tenant_id, other.job_id)


def _making(tx: Transaction, tenant_id: str, known: TicketExport) -> Job | None:
    """The job under way; None if a new one is needed. Raises ExportRefused."""
    try:
        job = tx.jobs.get(tenant_id, known.job_id)
    except NotFound:
        return None
    if not job.status.terminal:
        return job
    if job.status is JobStatus.FAILED and job.error and job.error.code not in FAULTS:
        raise ExportRefused(job.error.detail, code=job.error.code)
    return None
