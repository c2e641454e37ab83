"""The tables. Nothing outside `service.store` sees a row; repositories hand out records.

SQLite and PostgreSQL share them. `migrations/` is their history, and a test keeps the two equal.
"""

from service.store.tables.base import Row
from service.store.tables.jobs import BatchRow, JobLogRow, JobRow
from service.store.tables.messages import (
    EventRow,
    MlflowDeliveryRow,
    OutboxRow,
    WebhookDeliveryRow,
    WebhookEndpointRow,
)
from service.store.tables.processes import LeaderRow, WorkerRow
from service.store.tables.shards import JobShardRow
from service.store.tables.tenants import (
    ApiKeyRow,
    AuditRow,
    IdempotencyRow,
    RequestWindowRow,
    TenantRow,
    UploadSlotRow,
)
from service.store.tables.tickets import TicketChunkRow, TicketExportRow, TicketRow
from service.store.tables.uploads import CheckpointRow, DatasetRow, ResumableUploadRow

__all__ = [
    "ApiKeyRow",
    "AuditRow",
    "BatchRow",
    "CheckpointRow",
    "DatasetRow",
    "EventRow",
    "IdempotencyRow",
    "JobLogRow",
    "JobRow",
    "JobShardRow",
    "LeaderRow",
    "MlflowDeliveryRow",
    "OutboxRow",
    "RequestWindowRow",
    "ResumableUploadRow",
    "Row",
    "TenantRow",
    "TicketChunkRow",
    "TicketExportRow",
    "TicketRow",
    "UploadSlotRow",
    "WebhookDeliveryRow",
    "WebhookEndpointRow",
    "WorkerRow",
]
