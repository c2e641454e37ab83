"""The records everything above the store speaks in: frozen, and free of SQL and HTTP."""

from service.domain.events import Event, OutboxMessage, WorkKind
from service.domain.jobs import (
    ClaimedJob,
    Job,
    JobKind,
    JobStatus,
    LeaseState,
    Progress,
    statuses_before,
)
from service.domain.keys import ApiKey
from service.domain.problems import Problem
from service.domain.tickets import Ticket
from service.domain.uploads import Checkpoint, CheckpointStatus, Dataset, ValidationTask

__all__ = [
    "ApiKey",
    "Checkpoint",
    "CheckpointStatus",
    "ClaimedJob",
    "Dataset",
    "Event",
    "Job",
    "JobKind",
    "JobStatus",
    "LeaseState",
    "OutboxMessage",
    "Problem",
    "Progress",
    "Ticket",
    "ValidationTask",
    "WorkKind",
    "statuses_before",
]
