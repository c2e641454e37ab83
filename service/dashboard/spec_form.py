"""The form that a spec is made with: its fields, and where each lies in the spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from ltengine.errors import SpecificationError
from ltengine.specification import ActivationName, parse_specification
from service.domain import read_field

ACTIVATIONS: tuple[str, ...] = get_args(ActivationName)

# Each field of the form, and its place in a spec.
_PLACES = {
    "construction": "construction",
    "objective": "objective",
    "failure_probability": "failure_probability",
    "activation": "activation.name",
    "slope": "activation.slope",
    "mean": "input.mean",
    "std": "input.std",
    "low": "input.low",
    "high": "input.high",
    "seed": "source.seed",
    "distribution": "source.distribution",
    "initialization": "source.initialization",
    "biases": "source.biases",
    "depth": "source.depth",
    "first_layer_activation": "source.first_layer_activation",
    "carriers": "source.carriers",
    "replicates": "replicates",
    "device": "device",
}
DEFAULTS: Mapping[str, str] = {
    "construction": "L+1",
    "tolerance_of": "parameter",
    "tolerance": "0.01",
    "base_set_by": "numbers",
    "size": "20",
    "largest_subset": "10",
}


def read_spec(fields: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The complete spec that a form asks for, or what is wrong with it by the form's fields."""
    asked: dict[str, Any] = {}
    for field, place in _PLACES.items():
        if fields.get(field, "") != "":
            _put(asked, place.split("."), fields[field])
    if fields.get("tolerance", ""):
        asked["tolerance"] = {fields.get("tolerance_of", "parameter"): fields["tolerance"]}
    if fields.get("base_set_by") == "auto":
        asked["base_set"] = "auto"
    else:
        given = {name: fields[name] for name in ("size", "largest_subset") if fields.get(name)}
        asked["base_set"] = given
    try:
        return parse_specification(asked).model_dump(mode="json"), {}
    except SpecificationError as refusal:
        return {}, {_field_of(item["pointer"]): item["detail"] for item in refusal.problems}


def fill_fields(spec: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields, filled in so that they ask for this spec."""
    fields = {
        field: str(value)
        for field, place in _PLACES.items()
        if (value := read_field(spec, place)) is not None
    }
    kind = "output" if spec["tolerance"].get("output") is not None else "parameter"
    fields |= {"tolerance_of": kind, "tolerance": str(spec["tolerance"][kind])}
    if isinstance(spec["base_set"], str):
        return {**fields, "base_set_by": "auto"}
    return {
        **fields,
        "base_set_by": "numbers",
        **{name: str(value) for name, value in spec["base_set"].items()},
    }


def _put(document: dict[str, Any], path: list[str], value: str) -> None:
    *above, name = path
    for part in above:
        document = document.setdefault(part, {})
    document[name] = value


def _field_of(pointer: str) -> str:
    """The form's field that a pointer into the spec means; "" for the spec as a whole."""
    place = pointer.strip("/").replace("/", ".")
    if place.startswith("tolerance"):
        return "tolerance"
    if place.startswith("base_set."):
        return place.removeprefix("base_set.")
    return next((field for field, known in _PLACES.items() if known == place), "")
