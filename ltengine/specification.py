"""The construction spec: one schema for the command line, the API and the client.

Unknown fields are errors, numbers are bounded, and everything but ``construction`` has a default.
This module imports pydantic alone, so that the API process can validate a spec without the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from ltengine.errors import SpecificationError
from ltengine.truth import refuse_truth

LARGEST_BASE_SET = 32
LARGEST_REPLICATES = 100
"""More candidates than this make an exact smallest-subset search impractical."""
SMALLEST_TOLERANCE = 1e-6
"""The fixed-point grid of a subset-sum problem is 2^-28; below this it would be felt."""

ActivationName = Literal[
    "relu",
    "leaky_relu",
    "prelu",
    "tanh",
    "sigmoid",
    "identity",
    "elu",
    "selu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "arctan",
    "sin",
    "relu6",
    "abs",
    "shifted_relu",
]
SLOPED = ("leaky_relu", "prelu")
ONE_SIDED = ("relu", "leaky_relu", "prelu")
"""Linear on each side of 0, with another slope: linear where a bias keeps them on one side."""
PIECEWISE_LINEAR = ("relu", "leaky_relu", "prelu", "identity")
"""Exactly m+ x or m- x on all of R: these copy inputs whatever the scale of the first layer."""
WITH_INTERCEPT = ("sigmoid", "softplus", "hardsigmoid")
"""phi(0) != 0: only looks-linear pairs cancel it (Theorem 2.6)."""
WITHOUT_IDENTITY = ("abs", "shifted_relu")
"""m+ + m- = 0: they fail Assumption 2.3, so they cannot copy an input at all."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    _no_truth = field_validator("*", mode="before")(refuse_truth)


class Tolerance(_Part):
    """Allowed error: of each target parameter, or of the network's output (give one of the two)."""

    parameter: float | None = Field(
        default=None,
        ge=SMALLEST_TOLERANCE,
        le=1.0,
        description="allowed absolute error of every target parameter",
    )
    output: float | None = Field(
        default=None,
        gt=0.0,
        le=1e6,
        description="allowed sup over the input domain of the L1 norm of the output's error",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Tolerance:
        if (self.parameter is None) == (self.output is None):
            raise ValueError('give exactly one of "parameter" and "output"')
        return self


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
    distribution: Literal["uniform", "normal"] = "uniform"
    initialization: Literal["convenient", "theorem_scaled", "looks_linear", "he", "glorot"] = Field(
        default="convenient",
        description="convenient: Assumption 2.1. theorem_scaled: univariate layers scaled by sigma "
        "(Theorem 2.5). looks_linear: neurons in pairs of opposite weights (Assumption 2.2), "
        "scaled likewise. he, glorot: as theorem_scaled; the report states the lambda_l",
    )
    biases: Literal["first_layer", "all_layers"] = Field(
        default="first_layer", description="which layers of the source have nonzero biases"
    )
    depth: int | None = Field(
        default=None,
        ge=2,
        le=1000,
        description="layers of the source; null: 2L or L+1, as the construction says. An L+1 "
        "construction takes any depth from L+1",
    )
    first_layer_activation: Literal["same", ActivationName] = Field(
        default="same", description="activation of the layers of univariate neurons"
    )
    carriers: Literal["unbiased", "biased"] = Field(
        default="unbiased",
        description="biased: inputs of either sign are carried by neurons whose bias keeps them on "
        "over the whole input domain, which makes them linear: one problem for each weight of the "
        "first layer instead of two, from a wider source. relu, leaky_relu and prelu only",
    )


class ActivationSpecification(_Part):
    """The target's activation function, as torch.nn.functional spells it."""

    name: ActivationName
    slope: float | None = Field(
        default=None,
        ge=0.0,
        lt=1.0,
        description="negative slope of leaky_relu (0.01 if not given) or prelu (0.25)",
    )

    @model_validator(mode="after")
    def _slope_belongs_to_leaky_relu(self) -> ActivationSpecification:
        if self.slope is not None and self.name not in SLOPED:
            raise ValueError(
                f"only leaky_relu and prelu have a slope, {self.name} has none; leave it out"
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


def _kind_of_base_set(value: object) -> str:
    return "word" if isinstance(value, str) else "numbers"


class Specification(_Part):
    """What to construct, to which tolerance, and from which source network."""

    construction: Literal["2L", "L+1"] = Field(
        description="2L: two source layers for each target layer; L+1: one source layer more"
    )
    objective: Literal["smallest_subsets", "least_error"] = Field(
        default="smallest_subsets",
        description="of the subsets within tolerance: smallest_subsets takes the fewest elements, "
        "then the least error; least_error the least error, then the fewest elements",
    )
    tolerance: Tolerance = Tolerance(parameter=0.01)
    failure_probability: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.01
    base_set: Annotated[
        Annotated[BaseSet, Tag("numbers")] | Annotated[Literal["auto"], Tag("word")],
        Discriminator(_kind_of_base_set),
    ] = Field(
        default=BaseSet(),
        description="auto: from tolerance and failure_probability, by measured statistics",
    )
    source: SourceSpecification = SourceSpecification()
    activation: ActivationSpecification | None = Field(
        default=None, description="needed unless the checkpoint names its activation"
    )
    input: InputSpecification = InputSpecification()
    replicates: int = Field(
        default=1,
        ge=1,
        le=LARGEST_REPLICATES,
        description="tickets to construct, one for each of the seeds source.seed, source.seed + 1 "
        "and so on (modulo 2^64); more than one is for the service, which reports the mean and "
        "the 95 % interval of each number over them",
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @property
    def carrier(self) -> str | None:
        """The activation of the univariate layers; None while the target's is not known."""
        if self.source.first_layer_activation != "same":
            return self.source.first_layer_activation
        return self.activation.name if self.activation else None

    @model_validator(mode="after")
    def _carrier_can_copy_inputs(self) -> Specification:
        name, initialization = self.carrier, self.source.initialization
        other = 'or set source.first_layer_activation to "identity"'
        if name in WITHOUT_IDENTITY:
            raise ValueError(
                f"{name} fails Assumption 2.3 (m+ + m- = 0), so the first layer cannot copy its "
                "inputs with it; set source.first_layer_activation to another activation, for "
                'example "identity" or "relu"; later layers may keep it'
            )
        if name in WITH_INTERCEPT and initialization != "looks_linear":
            raise ValueError(
                f"{name}(0) is not 0, and only pairs of opposite weights cancel it (Theorem 2.6); "
                f'set source.initialization to "looks_linear", {other}'
            )
        if (
            name is not None
            and name not in (*PIECEWISE_LINEAR, *WITH_INTERCEPT)
            and initialization == "convenient"
        ):
            raise ValueError(
                f"{name} copies inputs only near 0; set source.initialization to "
                f'"theorem_scaled" or "looks_linear", {other}'
            )
        return self

    @model_validator(mode="after")
    def _biased_carriers_have_a_linear_side(self) -> Specification:
        if self.source.carriers == "unbiased":
            return self
        if self.carrier is not None and self.carrier not in ONE_SIDED:
            raise ValueError(
                f"biased carriers need an activation that is linear past 0, {self.carrier} is not; "
                'leave source.carriers out, or set source.first_layer_activation to "relu"'
            )
        if self.source.initialization == "looks_linear":
            raise ValueError(
                "looks-linear carriers are linear in pairs and need no bias; leave source.carriers "
                "out, or choose another source.initialization"
            )
        if self.base_set == "auto":
            raise ValueError(
                "there are no failure statistics for biased carriers; give base_set numbers, or "
                "leave source.carriers out"
            )
        return self

    @model_validator(mode="after")
    def _depth_fits_the_construction(self) -> Specification:
        if self.source.depth is not None and self.construction == "2L":
            raise ValueError(
                "a 2L construction has exactly twice the target's depth; leave source.depth out, "
                'or set construction to "L+1"'
            )
        return self


def require_one_source(specification: Specification) -> None:
    """Refuse a spec that asks for several tickets where one is made.

    Raises:
        SpecificationError: ``replicates`` is more than 1.
    """
    if specification.replicates > 1:
        detail = (
            f"one ticket is made at a time; set replicates to 1 and source.seed to each seed in "
            f"turn, or submit a job to the service, which makes all {specification.replicates}"
        )
        problem = {"pointer": "/replicates", "code": "SEVERAL_REPLICATES", "detail": detail}
        raise SpecificationError([problem])


def _describe(error: ErrorDetails) -> dict[str, str]:
    # the tag of the base set's form is no part of the document
    loc = [part for part in error["loc"] if part not in ("numbers", "word")]
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in loc)
    pointer = "".join(f"/{part}" for part in escaped)
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


def resolve_activation(
    specification: Specification, suggested: str | None, slope: float | None = None
) -> Specification:
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
    return parse_specification({**document, "activation": {"name": suggested, "slope": slope}})
