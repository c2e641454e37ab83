"""Completes the generated OpenAPI document: examples, problem models, shared responses."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from service.api.examples import EXAMPLES
from service.api.responses import COMPONENT
from service.api.schemas import JobSubmission, PlanRequest, ProblemDocument

_KEY_ORDER = (
    "tags",
    "summary",
    "description",
    "operationId",
    "security",
    "parameters",
    "requestBody",
    "responses",
)
# The framework documents its own form of validation errors, which no route of ours sends.
_FOREIGN_SCHEMAS = ("HTTPValidationError", "ValidationError")


def complete_contract(document: dict[str, Any]) -> dict[str, Any]:
    """The document as it is published."""
    shared: dict[str, Any] = {}
    for operations in document["paths"].values():
        for verb, operation in operations.items():
            operation["responses"] = _share_responses(operation["responses"], shared)
            operations[verb] = {key: operation[key] for key in _KEY_ORDER if key in operation}
    components = document["components"]
    components["schemas"] = _complete_schemas(components["schemas"])
    components["responses"] = dict(sorted(shared.items()))
    return document


def _share_responses(responses: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """The responses by status, with references to the named ones, which go to `shared`."""
    result: dict[str, Any] = {}
    for status, response in sorted(responses.items()):
        name = response.pop(COMPONENT, None)
        if name is not None:
            shared[name] = response
            result[status] = {"$ref": f"#/components/responses/{name}"}
        elif status != "422":
            result[status] = response
    return result


def _complete_schemas(schemas: dict[str, Any]) -> dict[str, Any]:
    # The framework knows nothing of problems, and loses defaults that are null.
    _, definitions = models_json_schema(
        [
            (ProblemDocument, "serialization"),
            (JobSubmission, "validation"),
            (PlanRequest, "validation"),
        ],
        ref_template="#/components/schemas/{model}",
    )
    complete = {**schemas, **definitions["$defs"]}
    for name in _FOREIGN_SCHEMAS:
        complete.pop(name, None)
    for name, example in EXAMPLES.items():
        complete[name]["examples"] = [example]
    return dict(sorted(complete.items()))
