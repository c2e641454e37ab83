"""Batches: many jobs submitted, watched, canceled and tabulated together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.domain import Batch, BatchLine, JobRequest
from service.store import Store
from service.usecases.pages import Page, cut_page


def submit_batch(
    store: Store,
    tenant_id: str,
    name: str,
    document: dict[str, Any],
    requests: Sequence[JobRequest],
) -> Batch:
    """Queue all jobs or none. `document` is the request as it will be shown.

    Raises NotFound, UploadRejected, QuotaExceeded.
    """
    with store.begin() as tx:
        for checkpoint_id in {request.checkpoint_id for request in requests}:
            first = next(item for item in requests if item.checkpoint_id == checkpoint_id)
            tx.jobs.check_inputs(tenant_id, first)
        single = [part for request in requests for part in request.single()]
        batch_id = tx.batches.add(tenant_id, name, document, len(single))
        tx.jobs.add_many(tenant_id, single, batch_id)
        return tx.batches.get(tenant_id, batch_id)


def get_batch(store: Store, tenant_id: str, batch_id: str) -> Batch:
    """One batch of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.batches.get(tenant_id, batch_id)


def list_batches(store: Store, tenant_id: str, limit: int, after: str | None) -> Page[Batch]:
    """A page of the tenant's batches, newest first."""
    with store.read() as tx:
        return cut_page(tx.batches.list(tenant_id, limit + 1, after), limit)


def cancel_batch(store: Store, tenant_id: str, batch_id: str, reason: str | None) -> Batch:
    """Cancel all jobs of a batch that have not ended; raises NotFound."""
    with store.begin() as tx:
        tx.batches.get(tenant_id, batch_id)
        for job_id in tx.batches.unfinished(batch_id):
            tx.jobs.cancel(tenant_id, job_id, reason)
        return tx.batches.get(tenant_id, batch_id)


def read_results(store: Store, tenant_id: str, batch_id: str) -> tuple[Batch, list[BatchLine]]:
    """A batch of the tenant and its lines; raises NotFound."""
    with store.read() as tx:
        return tx.batches.get(tenant_id, batch_id), tx.batches.lines(batch_id)
