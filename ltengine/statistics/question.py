"""What can be asked of random subset-sum problems. Pydantic alone, as ``specification`` is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ltengine.errors import SpecificationError
from ltengine.specification import LARGEST_BASE_SET, SMALLEST_TOLERANCE
from ltengine.truth import refuse_truth

Distribution = Literal["uniform", "uniform_product", "normal", "normal_product"]
"""Of one candidate: a source cell, or the product of two cells of different layers."""

LARGEST_TARGET = 4.0


class StatisticsQuestion(BaseModel):
    """How often, and with how many elements, does a random base set reach a target?"""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    _no_truth = field_validator("*", mode="before")(refuse_truth)

    distribution: Distribution = "uniform"
    candidates: int = Field(
        default=20, ge=1, le=LARGEST_BASE_SET, description="m, the variables offered to a problem"
    )
    tolerance: float = Field(
        default=0.01, ge=SMALLEST_TOLERANCE, le=1.0, description="allowed absolute error"
    )
    target: Literal["uniform"] | float = Field(
        default="uniform", description='a fixed target, or "uniform" for targets uniform on [-1, 1]'
    )
    largest_subset: int | None = Field(
        default=None, ge=1, le=LARGEST_BASE_SET, description="most elements; null for any number"
    )
    trials: int = Field(default=10_000, ge=1, le=10_000_000, description="problems to solve")
    seed: int = Field(default=0, ge=0, lt=2**64, description="of the source")

    @property
    def most_elements(self) -> int:
        """The most elements that a solution may use."""
        return min(self.candidates, self.largest_subset or self.candidates)


def _pointer(location: tuple[int | str, ...]) -> str:
    # the two forms of ``target`` add their own names behind the field's
    return f"/{location[0]}" if location else ""


def parse_question(document: Mapping[str, Any]) -> StatisticsQuestion:
    """Read a question from JSON data.

    Raises:
        SpecificationError: with one problem for each wrong field, by JSON pointer.
    """
    try:
        question = StatisticsQuestion.model_validate(dict(document))
    except ValidationError as error:
        raise SpecificationError(
            {
                "pointer": _pointer(item["loc"]),
                "code": item["type"].upper(),
                "detail": item["msg"],
            }
            for item in error.errors(include_url=False)
        ) from error
    if question.target != "uniform" and abs(question.target) > LARGEST_TARGET:
        raise SpecificationError(
            [
                {
                    "pointer": "/target",
                    "code": "OUT_OF_RANGE",
                    "detail": f"|target| must not exceed {LARGEST_TARGET:g}; scale it down first",
                }
            ]
        )
    return question
