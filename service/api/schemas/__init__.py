"""The wire: what requests and responses look like. Domain records are mapped here, never sent."""

from service.api.schemas.jobs import JobResource
from service.api.schemas.problems import ProblemDocument, ProblemItem, ProblemTypeDocument, Reason
from service.api.schemas.submissions import (
    ConstructSubmission,
    EstimateSubmission,
    JobSubmission,
    PlanRequest,
    StatisticsSubmission,
)
from service.api.schemas.text import Name
from service.api.schemas.tickets import TicketResource
from service.api.schemas.uploads import CheckpointResource, DatasetResource
from service.api.schemas.wire import Health, PageOf

__all__ = [
    "CheckpointResource",
    "ConstructSubmission",
    "DatasetResource",
    "EstimateSubmission",
    "Health",
    "JobResource",
    "JobSubmission",
    "Name",
    "PageOf",
    "PlanRequest",
    "ProblemDocument",
    "ProblemItem",
    "ProblemTypeDocument",
    "Reason",
    "StatisticsSubmission",
    "TicketResource",
]
