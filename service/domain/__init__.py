"""The records everything above the store speaks in: frozen, and free of SQL and HTTP."""

from service.domain.audit import AuditEntry
from service.domain.batches import (
    METRICS,
    SEED,
    Batch,
    BatchLine,
    count_points,
    expand_sweep,
    group_lines,
    read_field,
)
from service.domain.events import Event, OutboxMessage, WorkKind
from service.domain.job_requests import HIGHEST_PRIORITY, JobFilter, JobRequest
from service.domain.jobs import (
    ClaimedJob,
    Job,
    JobDevice,
    JobKind,
    JobMark,
    JobStatus,
    LeaseState,
    Progress,
    statuses_before,
)
from service.domain.keys import ApiKey, KeyScope, Tenant
from service.domain.limits import Limits, Standing, UsageLine
from service.domain.mlflow import MlflowDelivery
from service.domain.problems import Problem
from service.domain.shards import (
    MERGES,
    FinishedShard,
    PlannedShards,
    Shard,
    ShardCounts,
    ShardKind,
    ShardStatus,
    ShardTask,
)
from service.domain.tickets import Ticket, TicketExport, TicketFilter
from service.domain.uploads import (
    Checkpoint,
    CheckpointStatus,
    Dataset,
    ResumableUpload,
    UploadFilter,
    UploadKind,
    ValidationTask,
)
from service.domain.webhooks import (
    Attempt,
    ClaimedDelivery,
    DeliveryStatus,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookFormat,
)
from service.domain.workers import CudaDevice, Worker

__all__ = [
    "HIGHEST_PRIORITY",
    "MERGES",
    "METRICS",
    "SEED",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Batch",
    "BatchLine",
    "Checkpoint",
    "CheckpointStatus",
    "ClaimedDelivery",
    "ClaimedJob",
    "CudaDevice",
    "Dataset",
    "DeliveryStatus",
    "Event",
    "FinishedShard",
    "Job",
    "JobDevice",
    "JobFilter",
    "JobKind",
    "JobMark",
    "JobRequest",
    "JobStatus",
    "KeyScope",
    "LeaseState",
    "Limits",
    "MlflowDelivery",
    "OutboxMessage",
    "PlannedShards",
    "Problem",
    "Progress",
    "ResumableUpload",
    "Shard",
    "ShardCounts",
    "ShardKind",
    "ShardStatus",
    "ShardTask",
    "Standing",
    "Tenant",
    "Ticket",
    "TicketExport",
    "TicketFilter",
    "UploadFilter",
    "UploadKind",
    "UsageLine",
    "ValidationTask",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookFormat",
    "WorkKind",
    "Worker",
    "count_points",
    "expand_sweep",
    "group_lines",
    "read_field",
    "statuses_before",
]
