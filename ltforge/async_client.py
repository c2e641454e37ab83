"""The asynchronous client, ``client``'s twin: the same methods, awaited.

What the methods do is in ``operations``, for both; here they only get their names and kinds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ltforge.account_records import ApiKey, AuditEntry, WebhookDelivery, WebhookEndpoint
from ltforge.asynchronous import (
    AsyncAgain,
    AsyncSession,
    call,
    iteration,
    listing,
    own_call,
    own_iteration,
)
from ltforge.environment import address_and_key
from ltforge.exchange import Terms
from ltforge.operations import (
    account,
    batches,
    jobs,
    resumable_uploads,
    service,
    tickets,
    uploads,
    webhooks,
)
from ltforge.resources import BatchRecord, JobRecord, TicketRecord, UploadRecord
from ltforge.retrying import RetryPolicy
from ltforge.ticket_file import load_ticket

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, kw_only=True)
class AsyncCheckpoint(UploadRecord):
    """A trained network's file."""

    _session: AsyncSession = field(repr=False, compare=False)

    refresh = AsyncAgain(uploads.get_checkpoint)
    wait = AsyncAgain(uploads.wait_for_checkpoint)
    delete = own_call(uploads.delete_checkpoint)


@dataclass(frozen=True, kw_only=True)
class AsyncDataset(UploadRecord):
    """An npz file with arrays x and y."""

    _session: AsyncSession = field(repr=False, compare=False)

    refresh = AsyncAgain(uploads.get_dataset)
    wait = AsyncAgain(uploads.wait_for_dataset)
    delete = own_call(uploads.delete_dataset)


@dataclass(frozen=True, kw_only=True)
class AsyncJob(JobRecord):
    """One job, as it was when fetched, with what can be done about it."""

    _session: AsyncSession = field(repr=False, compare=False)

    refresh = AsyncAgain(jobs.get_job)
    wait = AsyncAgain(jobs.wait_for_job)
    cancel = AsyncAgain(jobs.cancel_job)
    retry = AsyncAgain(jobs.retry_job)
    change = AsyncAgain(jobs.change_job)
    delete = own_call(jobs.delete_job)
    log = own_call(jobs.get_job_log)
    events = own_call(jobs.list_job_events)
    iter_events = own_iteration(jobs.iter_events)


@dataclass(frozen=True, kw_only=True)
class AsyncTicket(TicketRecord):
    """A finished ticket's entry in the service."""

    _session: AsyncSession = field(repr=False, compare=False)

    refresh = AsyncAgain(tickets.get_ticket)
    delete = own_call(tickets.delete_ticket)
    download = own_call(tickets.download_mask)
    export = own_call(tickets.export_ticket)
    mask_rows = own_call(tickets.mask_rows)
    check = own_call(tickets.verify)


@dataclass(frozen=True, kw_only=True)
class AsyncBatch(BatchRecord):
    """Many jobs that one request swept over."""

    _session: AsyncSession = field(repr=False, compare=False)

    refresh = AsyncAgain(batches.get_batch)
    wait = AsyncAgain(batches.wait_for_batch)
    cancel = AsyncAgain(batches.cancel_batch)
    results = own_call(batches.get_batch_results)
    csv = own_call(batches.batch_results_csv)


class AsyncClient:
    """A connection to one LTForge service, as one tenant, for use in an ``async with`` block.

    Methods named as the operations of openapi.yaml do what those say; the others do whole tasks.

    Args:
        base_url: where the service is, for example ``http://127.0.0.1:8000``.
        api_key: the ``ltf_...`` text the service printed or an administrator handed out.
        timeout: seconds one network operation may take (not a whole upload or job).
        transport: how requests travel; the default is the network.
        retries: how failed requests are repeated where that is safe.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float = 60.0,
        transport: httpx.AsyncBaseTransport | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        terms = Terms(timeout, retries or RetryPolicy())
        self._session = AsyncSession(base_url, api_key, terms, transport)

    @classmethod
    def from_environment(cls) -> Self:
        """A client of the service that LTFORGE_URL names, with the key LTFORGE_API_KEY."""
        return cls(*address_and_key())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections. Records fetched through this client can then only be read."""
        await self._session.close()

    # Uploads
    upload_checkpoint = call(uploads.upload_checkpoint, AsyncCheckpoint)
    get_checkpoint = call(uploads.get_checkpoint, AsyncCheckpoint)
    list_checkpoints = listing(uploads.list_checkpoints, AsyncCheckpoint)
    list_checkpoint_tensors = call(uploads.list_checkpoint_tensors)
    delete_checkpoint = call(uploads.delete_checkpoint)
    upload_dataset = call(uploads.upload_dataset, AsyncDataset)
    get_dataset = call(uploads.get_dataset, AsyncDataset)
    list_datasets = listing(uploads.list_datasets, AsyncDataset)
    delete_dataset = call(uploads.delete_dataset)
    describe_uploads = call(resumable_uploads.describe_uploads)
    create_upload = call(resumable_uploads.create_upload)
    head_upload = call(resumable_uploads.head_upload)
    get_upload = call(resumable_uploads.get_upload)
    append_to_upload = call(resumable_uploads.append_to_upload)
    delete_upload = call(resumable_uploads.delete_upload)
    finalize_upload = call(resumable_uploads.finalize_upload)

    # Jobs
    submit = call(jobs.submit, AsyncJob)
    estimate = call(jobs.estimate, AsyncJob)
    statistics = call(jobs.statistics, AsyncJob)
    submit_job = call(jobs.submit_job, AsyncJob)
    get_job = call(jobs.get_job, AsyncJob)
    list_jobs = listing(jobs.list_jobs, AsyncJob)
    change_job = call(jobs.change_job, AsyncJob)
    cancel_job = call(jobs.cancel_job, AsyncJob)
    retry_job = call(jobs.retry_job, AsyncJob)
    delete_job = call(jobs.delete_job)
    get_job_log = call(jobs.get_job_log)
    list_job_events = call(jobs.list_job_events)
    list_job_shards = call(jobs.list_job_shards)
    iter_events = iteration(jobs.iter_events)
    wait_for_job = call(jobs.wait_for_job, AsyncJob)

    # Batches
    sweep = call(batches.sweep, AsyncBatch)
    count_sweep = call(batches.count_sweep)
    submit_batch = call(batches.submit_batch, AsyncBatch)
    get_batch = call(batches.get_batch, AsyncBatch)
    list_batches = listing(batches.list_batches, AsyncBatch)
    cancel_batch = call(batches.cancel_batch, AsyncBatch)
    get_batch_results = call(batches.get_batch_results)
    batch_results_csv = call(batches.batch_results_csv)

    # Plans and tickets
    plan = call(tickets.plan)
    make_plan = call(tickets.make_plan)
    get_ticket = call(tickets.get_ticket, AsyncTicket)
    list_tickets = listing(tickets.list_tickets, AsyncTicket)
    delete_ticket = call(tickets.delete_ticket)
    get_ticket_metrics = call(tickets.get_ticket_metrics)
    download_mask = call(tickets.download_mask)
    get_ticket_mask = call(tickets.get_ticket_mask)
    head_ticket_mask = call(tickets.head_ticket_mask)
    mask_rows = call(tickets.mask_rows)
    load_ticket = call(load_ticket)
    export_ticket = call(tickets.export_ticket)
    head_ticket_export = call(tickets.head_ticket_export)
    verify = call(tickets.verify)
    verify_ticket = call(tickets.verify_ticket, AsyncJob)
    compare = call(tickets.compare)
    compare_tickets = call(tickets.compare_tickets, AsyncJob)

    # Account
    get_account = call(account.get_account)
    get_usage = call(account.get_usage)
    list_audit_log = listing(account.list_audit_log, AuditEntry)
    create_api_key = call(account.create_api_key)
    list_api_keys = listing(account.list_api_keys, ApiKey)
    get_api_key = call(account.get_api_key)
    change_api_key = call(account.change_api_key)
    revoke_api_key = call(account.revoke_api_key)
    rotate_api_key = call(account.rotate_api_key)

    # Webhooks
    create_webhook_endpoint = call(webhooks.create_webhook_endpoint)
    list_webhook_endpoints = listing(webhooks.list_webhook_endpoints, WebhookEndpoint)
    get_webhook_endpoint = call(webhooks.get_webhook_endpoint)
    change_webhook_endpoint = call(webhooks.change_webhook_endpoint)
    delete_webhook_endpoint = call(webhooks.delete_webhook_endpoint)
    test_webhook_endpoint = call(webhooks.test_webhook_endpoint)
    rotate_webhook_secret = call(webhooks.rotate_webhook_secret)
    list_webhook_deliveries = listing(webhooks.list_webhook_deliveries, WebhookDelivery)
    replay_webhook_delivery = call(webhooks.replay_webhook_delivery)

    # The service
    get_liveness = call(service.get_liveness)
    get_readiness = call(service.get_readiness)
    get_startup = call(service.get_startup)
    get_service_metrics = call(service.get_service_metrics)
    get_problem_type = call(service.get_problem_type)
