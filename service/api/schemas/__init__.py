"""The wire: what requests and responses look like. Domain records are mapped here, never sent."""

from service.api.schemas.jobs import JobResource, JobSubmission
from service.api.schemas.problems import ProblemDocument, ProblemItem, ProblemTypeDocument, Reason
from service.api.schemas.text import Name
from service.api.schemas.tickets import TicketResource
from service.api.schemas.uploads import CheckpointResource, DatasetResource
from service.api.schemas.wire import Health, PageOf

__all__ = [
    "CheckpointResource",
    "DatasetResource",
    "Health",
    "JobResource",
    "JobSubmission",
    "Name",
    "PageOf",
    "ProblemDocument",
    "ProblemItem",
    "ProblemTypeDocument",
    "Reason",
    "TicketResource",
]
