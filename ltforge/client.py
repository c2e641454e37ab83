"""The blocking client: what a user of the service calls. ``async_client`` is its asynchronous twin.

What the methods do is in ``operations``, for both; here they only get their names and kinds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ltforge.account_records import ApiKey, AuditEntry, WebhookDelivery, WebhookEndpoint
from ltforge.blocking import (
    Again,
    BlockingSession,
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
from ltforge.ticket_file import TicketFile, load_ticket

if TYPE_CHECKING:
    from os import PathLike

    import httpx


@dataclass(frozen=True, kw_only=True)
class Checkpoint(UploadRecord):
    """A trained network's file."""

    _session: BlockingSession = field(repr=False, compare=False)

    refresh = Again(uploads.get_checkpoint)
    wait = Again(uploads.wait_for_checkpoint)
    delete = own_call(uploads.delete_checkpoint)


@dataclass(frozen=True, kw_only=True)
class Dataset(UploadRecord):
    """An npz file with arrays x and y."""

    _session: BlockingSession = field(repr=False, compare=False)

    refresh = Again(uploads.get_dataset)
    wait = Again(uploads.wait_for_dataset)
    delete = own_call(uploads.delete_dataset)


@dataclass(frozen=True, kw_only=True)
class Job(JobRecord):
    """One job, as it was when fetched, with what can be done about it."""

    _session: BlockingSession = field(repr=False, compare=False)

    refresh = Again(jobs.get_job)
    wait = Again(jobs.wait_for_job)
    cancel = Again(jobs.cancel_job)
    retry = Again(jobs.retry_job)
    change = Again(jobs.change_job)
    delete = own_call(jobs.delete_job)
    log = own_call(jobs.get_job_log)
    events = own_call(jobs.list_job_events)
    iter_events = own_iteration(jobs.iter_events)


@dataclass(frozen=True, kw_only=True)
class Ticket(TicketRecord):
    """A finished ticket's entry in the service; ``load`` reads the file itself."""

    _session: BlockingSession = field(repr=False, compare=False)

    refresh = Again(tickets.get_ticket)
    delete = own_call(tickets.delete_ticket)
    download = own_call(tickets.download_mask)
    export = own_call(tickets.export_ticket)
    mask_rows = own_call(tickets.mask_rows)
    check = own_call(tickets.verify)

    @staticmethod
    def load(path_or_id: str | PathLike[str], client: Client | None = None) -> TicketFile:
        """A ticket, from its file or from the service.

        Args:
            path_or_id: a ticket file, or the id of a ticket (``tkt_...``).
            client: where the id is from; by default the one that LTFORGE_URL and LTFORGE_API_KEY
                describe.
        """
        if not isinstance(path_or_id, str) or not path_or_id.startswith("tkt_"):
            return TicketFile.read(path_or_id)
        if client is not None:
            return client.load_ticket(path_or_id)
        with Client.from_environment() as own:
            return own.load_ticket(path_or_id)


@dataclass(frozen=True, kw_only=True)
class Batch(BatchRecord):
    """Many jobs that one request swept over."""

    _session: BlockingSession = field(repr=False, compare=False)

    refresh = Again(batches.get_batch)
    wait = Again(batches.wait_for_batch)
    cancel = Again(batches.cancel_batch)
    results = own_call(batches.get_batch_results)
    csv = own_call(batches.batch_results_csv)


class Client:
    """A connection to one LTForge service, as one tenant. Use it in a ``with`` block or close it.

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
        transport: httpx.BaseTransport | None = None,
        retries: RetryPolicy | None = None,
    ) -> None:
        terms = Terms(timeout, retries or RetryPolicy())
        self._session = BlockingSession(base_url, api_key, terms, transport)

    @classmethod
    def from_environment(cls) -> Self:
        """A client of the service that LTFORGE_URL names, with the key LTFORGE_API_KEY."""
        return cls(*address_and_key())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Records fetched through this client can then only be read."""
        self._session.close()

    # Uploads
    upload_checkpoint = call(uploads.upload_checkpoint, Checkpoint)
    get_checkpoint = call(uploads.get_checkpoint, Checkpoint)
    list_checkpoints = listing(uploads.list_checkpoints, Checkpoint)
    list_checkpoint_tensors = call(uploads.list_checkpoint_tensors)
    delete_checkpoint = call(uploads.delete_checkpoint)
    upload_dataset = call(uploads.upload_dataset, Dataset)
    get_dataset = call(uploads.get_dataset, Dataset)
    list_datasets = listing(uploads.list_datasets, Dataset)
    delete_dataset = call(uploads.delete_dataset)
    describe_uploads = call(resumable_uploads.describe_uploads)
    create_upload = call(resumable_uploads.create_upload)
    head_upload = call(resumable_uploads.head_upload)
    get_upload = call(resumable_uploads.get_upload)
    append_to_upload = call(resumable_uploads.append_to_upload)
    delete_upload = call(resumable_uploads.delete_upload)
    finalize_upload = call(resumable_uploads.finalize_upload)

    # Jobs
    submit = call(jobs.submit, Job)
    estimate = call(jobs.estimate, Job)
    statistics = call(jobs.statistics, Job)
    submit_job = call(jobs.submit_job, Job)
    get_job = call(jobs.get_job, Job)
    list_jobs = listing(jobs.list_jobs, Job)
    change_job = call(jobs.change_job, Job)
    cancel_job = call(jobs.cancel_job, Job)
    retry_job = call(jobs.retry_job, Job)
    delete_job = call(jobs.delete_job)
    get_job_log = call(jobs.get_job_log)
    list_job_events = call(jobs.list_job_events)
    list_job_shards = call(jobs.list_job_shards)
    iter_events = iteration(jobs.iter_events)
    wait_for_job = call(jobs.wait_for_job, Job)

    # Batches
    sweep = call(batches.sweep, Batch)
    count_sweep = call(batches.count_sweep)
    submit_batch = call(batches.submit_batch, Batch)
    get_batch = call(batches.get_batch, Batch)
    list_batches = listing(batches.list_batches, Batch)
    cancel_batch = call(batches.cancel_batch, Batch)
    get_batch_results = call(batches.get_batch_results)
    batch_results_csv = call(batches.batch_results_csv)

    # Plans and tickets
    plan = call(tickets.plan)
    make_plan = call(tickets.make_plan)
    get_ticket = call(tickets.get_ticket, Ticket)
    list_tickets = listing(tickets.list_tickets, Ticket)
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
    verify_ticket = call(tickets.verify_ticket, Job)
    compare = call(tickets.compare)
    compare_tickets = call(tickets.compare_tickets, Job)

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
