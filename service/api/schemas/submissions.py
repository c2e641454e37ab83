"""What can be asked for: one model for each kind of job, and the plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ltengine.errors import SpecificationError
from ltengine.specification import LARGEST_REPLICATES, Specification
from ltengine.statistics.question import StatisticsQuestion, parse_question
from ltengine.truth import refuse_truth
from service.api.schemas.text import Labels, PlainText
from service.domain import HIGHEST_PRIORITY

_TAG = "a job of kind "

_CHECKPOINT = "an uploaded checkpoint; it may still be validating"
_DATASET = "an uploaded data set on which accuracies are measured"
LONGEST_TIMEOUT = 30 * 24 * 3600.0
LARGEST_ATTEMPTS = 10
LabelsField = Annotated[Labels, Field(description="up to 16 names with values, kept with the job")]
Priority = Annotated[
    int,
    Field(
        ge=-HIGHEST_PRIORITY,
        le=HIGHEST_PRIORITY,
        description="of the queued jobs, one with a higher priority starts first; jobs of equal "
        "priority take turns between tenants, and start in the order of their submission",
    ),
]


class StrictModel(BaseModel):
    """A frozen model of what is asked, in which unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name is not None
        return (
            value if cls.model_fields[info.field_name].annotation is bool else refuse_truth(value)
        )


class JobAsked(StrictModel):
    """The conditions under which jobs run."""

    labels: LabelsField = Field(default_factory=dict)
    priority: Priority = 0
    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=LONGEST_TIMEOUT,
        description="seconds that one attempt may run; then the job fails with JOB_TIMEOUT. "
        "The service's own limit holds in any case",
    )
    queue_timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=LONGEST_TIMEOUT,
        description="seconds that the job may wait for a worker; then it expires",
    )
    max_attempts: int | None = Field(
        default=None,
        ge=1,
        le=LARGEST_ATTEMPTS,
        description="starts after which a job whose workers died is given up; null for the "
        "service's default",
    )


class ConstructSubmission(JobAsked):
    """Construct a ticket of a checkpoint."""

    kind: Literal["construct"] = "construct"
    checkpoint_id: str = Field(description=_CHECKPOINT)
    dataset_id: str | None = Field(default=None, description=_DATASET)
    spec: Specification


class EstimateSubmission(JobAsked):
    """Estimate the tickets of a checkpoint, for networks too large to construct.

    A sample of the problems that a construction would pose is solved exactly; the report gives
    parameters, errors, expected failures and accuracies with their confidence intervals.
    """

    kind: Literal["estimate"]
    checkpoint_id: str = Field(description=_CHECKPOINT)
    dataset_id: str | None = Field(default=None, description=_DATASET)
    spec: Specification
    replicates: int = Field(
        default=3,
        ge=1,
        le=LARGEST_REPLICATES,
        description="how many sources to estimate with: the spec's seed and those that follow it",
    )


def _within_the_engine(question: StatisticsQuestion) -> StatisticsQuestion:
    """Refuse here what the engine's own reading would refuse later."""
    try:
        parse_question(question.model_dump())
    except SpecificationError as refusal:
        raise ValueError(refusal.detail) from refusal
    return question


class StatisticsSubmission(JobAsked):
    """Solve random subset-sum problems: how many fail, how many elements do the others need?"""

    kind: Literal["statistics"]
    spec: Annotated[StatisticsQuestion, AfterValidator(_within_the_engine)]


def _tag(kind: str) -> Tag:
    """A tag appears in the place of an error, so it must not look like a field's name."""
    return Tag(f"{_TAG}{kind}")


def _tag_of(submission: Any) -> str:
    """The kind, as a tag; what is no object at all is refused as the most ordinary kind."""
    given = submission.get("kind", "construct") if isinstance(submission, Mapping) else "construct"
    return f"{_TAG}{given}" if isinstance(given, str) else _TAG


class JobSubmission(
    RootModel[
        Annotated[
            Annotated[ConstructSubmission, _tag("construct")]
            | Annotated[EstimateSubmission, _tag("estimate")]
            | Annotated[StatisticsSubmission, _tag("statistics")],
            Discriminator(
                _tag_of,
                custom_error_type="unknown_kind",
                custom_error_message='kind must be "construct", "estimate" or "statistics"; '
                "plans are asked for at POST /v1/plans",
            ),
        ]
    ]
):
    """A job: `kind` says which of these it is; `construct` where none is given."""


def kind_asked_for(place: object) -> str | None:
    """The kind named by a part of an error's place, if that part is no field but a kind."""
    named = isinstance(place, str) and place.startswith(_TAG)
    return str(place).removeprefix(_TAG) if named else None


class JobChanges(StrictModel):
    """What to change about a job; what is left out stays as it is."""

    labels: Labels | None = Field(default=None, description="replaces all labels; null: as it is")
    priority: Priority | None = Field(
        default=None, description="of a queued job alone; null: as it is"
    )

    @model_validator(mode="after")
    def _not_empty(self) -> JobChanges:
        if self.labels is None and self.priority is None:
            raise ValueError("name something to change: labels, priority, or both")
        return self


class Cancellation(StrictModel):
    """Why a job is canceled."""

    reason: PlainText | None = Field(default=None, description="for people; kept with the job")


class PlanRequest(StrictModel):
    """Which construction to lay out."""

    checkpoint_id: str = Field(description=_CHECKPOINT)
    spec: Specification
