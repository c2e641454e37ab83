"""The wire: what requests and responses look like. Domain records are mapped here, never sent."""

from service.api.schemas.batches import BatchDryRun, BatchResource, BatchResults, BatchSubmission
from service.api.schemas.comparisons import ComparisonRequest
from service.api.schemas.events import EventPage, EventResource
from service.api.schemas.jobs import JobResource, ShardPage, ShardResource
from service.api.schemas.keys import (
    AccountResource,
    ApiKeyChange,
    ApiKeyRequest,
    ApiKeyResource,
    ApiKeyRotation,
    AuditEntryResource,
    NewApiKeyResource,
    TenantResource,
)
from service.api.schemas.problems import ProblemDocument, ProblemItem, ProblemTypeDocument, Reason
from service.api.schemas.submissions import (
    Cancellation,
    ConstructSubmission,
    EstimateSubmission,
    JobChanges,
    JobSubmission,
    PlanRequest,
    StatisticsSubmission,
)
from service.api.schemas.text import Name
from service.api.schemas.tickets import MaskPieceResource, TicketResource
from service.api.schemas.uploads import (
    CheckpointResource,
    CheckpointTensors,
    DatasetResource,
    ResumableUploadResource,
)
from service.api.schemas.usage import (
    LimitsResource,
    StandingResource,
    UsageLineResource,
    UsageResource,
)
from service.api.schemas.webhooks import (
    NewWebhookEndpointResource,
    SecretRotation,
    WebhookDeliveryResource,
    WebhookEndpointChange,
    WebhookEndpointRequest,
    WebhookEndpointResource,
)
from service.api.schemas.wire import Health, PageOf

__all__ = [
    "AccountResource",
    "ApiKeyChange",
    "ApiKeyRequest",
    "ApiKeyResource",
    "ApiKeyRotation",
    "AuditEntryResource",
    "BatchDryRun",
    "BatchResource",
    "BatchResults",
    "BatchSubmission",
    "Cancellation",
    "CheckpointResource",
    "CheckpointTensors",
    "ComparisonRequest",
    "ConstructSubmission",
    "DatasetResource",
    "EstimateSubmission",
    "EventPage",
    "EventResource",
    "Health",
    "JobChanges",
    "JobResource",
    "JobSubmission",
    "LimitsResource",
    "MaskPieceResource",
    "Name",
    "NewApiKeyResource",
    "NewWebhookEndpointResource",
    "PageOf",
    "PlanRequest",
    "ProblemDocument",
    "ProblemItem",
    "ProblemTypeDocument",
    "Reason",
    "ResumableUploadResource",
    "SecretRotation",
    "ShardPage",
    "ShardResource",
    "StandingResource",
    "StatisticsSubmission",
    "TenantResource",
    "TicketResource",
    "UsageLineResource",
    "UsageResource",
    "WebhookDeliveryResource",
    "WebhookEndpointChange",
    "WebhookEndpointRequest",
    "WebhookEndpointResource",
]
