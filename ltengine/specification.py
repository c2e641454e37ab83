"""The construction spec: one schema for the command line, the API and the client.

Unknown fields are errors, numbers are bounded, and everything but ``construction`` has a default.
This module imports pydantic alone, so that the API process can validate a spec without the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from ltengine.errors import SpecificationError

LARGEST_BASE_SET = 32
"""More candidates than this make an exact smallest-subset search impractical."""
SMALLEST_TOLERANCE = 1e-6
"""The fixed-point grid of a subset-sum problem is 2^-28; below this it would be felt."""

ActivationName = Literal["relu", "leaky_relu", "tanh", "sigmoid"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Tolerance(_Part):
    """Allowed absolute error of each target parameter, in the parameter's own units."""

    parameter: float = Field(
        default=0.01,
        ge=SMALLEST_TOLERANCE,
        le=1.0,
        description="allowed absolute error of every target parameter",
    )


class BaseSet(_Part):
    """The random variables offered to one subset-sum problem."""

    size: int = Field(
        default=20, ge=1, le=LARGEST_BASE_SET, description="m, the variables offered to one problem"
    )
    largest_subset: int = Field(
        default=10, ge=1, le=LARGEST_BASE_SET, description="the most elements one solution may use"
    )


class SourceSpecification(_Part):
    """What fixes the source network before the target is looked at."""

    seed: int = Field(default=0, ge=0, lt=2**64, description="fixes every cell of the source")
    distribution: Literal["uniform"] = "uniform"
    initialization: Literal["convenient"] = Field(
        default="convenient", description="Assumption 2.1: biases in the first layer only"
    )
    depth: None = Field(default=None, description="null: 2L or L+1, as the construction says")
    first_layer_activation: Literal["same", "identity"] = Field(
        default="same", description="activation of the layers of univariate neurons"
    )


class ActivationSpecification(_Part):
    """The target's activation function, as torch.nn.functional spells it."""

    name: ActivationName
    slope: float | None = Field(
        default=None, ge=0.0, lt=1.0, description="leaky_relu's negative slope (0.01 if not given)"
    )

    @model_validator(mode="after")
    def _slope_belongs_to_leaky_relu(self) -> ActivationSpecification:
        if self.slope is not None and self.name != "leaky_relu":
            raise ValueError(
                f"only leaky_relu has a slope, {self.name} has none; leave the field out"
            )
        return self


class InputSpecification(_Part):
    """Normalisation of raw inputs, (x - mean) / std, and the raw domain [low, high]."""

    mean: float = 0.0
    std: float = Field(default=1.0, gt=0.0)
    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _domain_is_not_empty(self) -> InputSpecification:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        return self

    @property
    def normalised_low(self) -> float:
        """The smallest input the first layer can see."""
        return (self.low - self.mean) / self.std

    @property
    def normalised_high(self) -> float:
        """The largest input the first layer can see."""
        return (self.high - self.mean) / self.std


class Specification(_Part):
    """What to construct: see DESIGN for the meaning of each field."""

    construction: Literal["2L", "L+1"] = Field(
        description="2L: two source layers for each target layer; L+1: one source layer more"
    )
    objective: Literal["smallest_subsets"] = "smallest_subsets"
    tolerance: Tolerance = Tolerance()
    failure_probability: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    base_set: BaseSet = BaseSet()
    source: SourceSpecification = SourceSpecification()
    activation: ActivationSpecification | None = Field(
        default=None, description="needed unless the checkpoint names its activation"
    )
    input: InputSpecification = InputSpecification()
    replicates: Literal[1] = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _first_layer_can_represent_the_identity(self) -> Specification:
        name = self.activation.name if self.activation else None
        if name in ("tanh", "sigmoid") and self.source.first_layer_activation == "same":
            raise ValueError(
                f"{name} is not piecewise linear, so it cannot copy the inputs exactly; "
                'set source.first_layer_activation to "identity"'
            )
        return self


def _describe(error: ErrorDetails) -> dict[str, str]:
    pointer = "".join(f"/{part}" for part in error["loc"])
    detail = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        detail = "unknown field; remove it or check its spelling"
    elif error["type"] == "missing":
        detail = "this field is required"
    elif error["type"] not in ("value_error",):
        given = error.get("input")
        shown = repr(given) if len(repr(given)) <= 60 else repr(given)[:57] + "..."
        detail = f"{detail} (got {shown})"
    return {"pointer": pointer, "code": error["type"].upper(), "detail": detail}


def parse_specification(document: Mapping[str, Any]) -> Specification:
    """Read a spec from JSON data.

    Raises:
        SpecificationError: with one problem for each wrong field, by JSON pointer.
    """
    if not isinstance(document, Mapping):
        raise SpecificationError(
            [{"pointer": "", "code": "NOT_AN_OBJECT", "detail": "the spec must be a JSON object"}]
        )
    try:
        return Specification.model_validate(dict(document))
    except ValidationError as error:
        raise SpecificationError(
            _describe(item) for item in error.errors(include_url=False)
        ) from error


def resolve_activation(specification: Specification, suggested: str | None) -> Specification:
    """The spec with its activation filled in from what the checkpoint names, where it gave none.

    Raises:
        SpecificationError: neither names one, or the first layer cannot use it.
    """
    if specification.activation is not None:
        return specification
    if suggested is None:
        raise SpecificationError(
            [
                {
                    "pointer": "/activation",
                    "code": "MISSING",
                    "detail": "the checkpoint does not name its activation; give one, for example "
                    '{"name": "relu"}',
                }
            ]
        )
    document = specification.model_dump(mode="json")
    return parse_specification({**document, "activation": {"name": suggested}})
