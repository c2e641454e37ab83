"""The contract: openapi.yaml equals the application, and both keep their word."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from ltengine.specification import Specification
from ltengine.statistics.question import StatisticsQuestion
from service.api import schemas
from service.api.application import assemble_routes
from service.api.examples import EXAMPLES
from service.api.problem_types import PROBLEM_TYPES, all_problem_types

CONTRACT = Path(__file__).parents[2] / "openapi.yaml"
PUBLIC = {"/livez", "/readyz", "/startupz", "/metrics", "/problems/{slug}"}
OF_THE_FRAMEWORK_ALONE = {"no-such-path", "method-not-allowed"}
OF_NO_ROUTE = {"service-error", "queue-unavailable"}


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return dict(yaml.safe_load(CONTRACT.read_text()))


@pytest.fixture(scope="module")
def generated() -> dict[str, Any]:
    return dict(assemble_routes().openapi())


def differences(written: Any, generated: Any, place: str = "#") -> Iterator[str]:
    """Every place where the two documents differ, in either direction."""
    if isinstance(written, dict) and isinstance(generated, dict):
        for key in written.keys() | generated.keys():
            here = f"{place}/{key}"
            if key not in generated:
                yield f"{here}: only in openapi.yaml"
            elif key not in written:
                yield f"{here}: only in the application"
            else:
                yield from differences(written[key], generated[key], here)
    elif isinstance(written, list) and isinstance(generated, list):
        if len(written) != len(generated):
            yield f"{place}: {len(written)} items in openapi.yaml, {len(generated)} generated"
        for index, pair in enumerate(zip(written, generated, strict=False)):
            yield from differences(*pair, f"{place}/{index}")
    elif written != generated or type(written) is not type(generated):
        yield f"{place}: {written!r} in openapi.yaml, {generated!r} generated"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            yield path, verb, operation


def test_the_written_contract_is_the_applications(
    written: dict[str, Any], generated: dict[str, Any]
) -> None:
    found = list(differences(written, generated))

    assert not found, "run: python -m service.api.contract > openapi.yaml\n" + "\n".join(found)


def test_the_comparison_sees_drift_both_ways(generated: dict[str, Any]) -> None:
    path = generated["paths"]["/v1/jobs"]
    drifted = {**generated, "paths": {**generated["paths"], "/v1/jobs": {"post": path["post"]}}}

    assert list(differences(drifted, generated)) == [
        "#/paths//v1/jobs/get: only in the application"
    ]
    assert next(differences(generated, drifted)).endswith("only in openapi.yaml")


def test_the_documented_command_writes_the_contract() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "service.api.contract"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )

    assert not list(differences(yaml.safe_load(CONTRACT.read_text()), yaml.safe_load(made.stdout)))


@pytest.mark.parametrize("model", [Specification, StatisticsQuestion])
def test_the_specs_of_the_contract_are_the_engines(
    written: dict[str, Any], model: type[BaseModel]
) -> None:
    known = written["components"]["schemas"]
    own = model.model_json_schema(ref_template="#/components/schemas/{model}")
    parts = own.pop("$defs", {})

    assert not list(differences(known[model.__name__], own))
    for name, part in parts.items():
        assert not list(differences(known[name], part))


def test_every_operation_is_named_explained_and_secured(written: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(written)]
    assert len(names) == len(set(names))
    for path, verb, operation in operations(written):
        place = f"{verb} {path}"
        assert operation["summary"], place
        assert operation["description"], place
        if path not in PUBLIC:
            assert operation["security"] == [{"api_key": []}], place
            assert {"401", "500", "503"} <= operation["responses"].keys(), place
        if "_id}" in path:
            assert "404" in operation["responses"], place


def test_every_error_is_documented_somewhere(written: dict[str, Any]) -> None:
    documented = {
        slug
        for response in written["components"]["responses"].values()
        for slug in response["content"]["application/problem+json"]["examples"]
    }

    expected = {kind.slug for kind in all_problem_types()}
    assert documented == expected - OF_THE_FRAMEWORK_ALONE - OF_NO_ROUTE
    assert {kind.slug for kind in PROBLEM_TYPES.values()} >= OF_NO_ROUTE


def test_every_reference_leads_somewhere(written: dict[str, Any]) -> None:
    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "$ref":
                    yield value
                yield from references(value)
        elif isinstance(node, list):
            for value in node:
                yield from references(value)

    used = set(references(written))
    for reference in used:
        _, _, kind, name = reference.split("/")
        assert name in written["components"][kind], reference
    for kind in ("schemas", "responses"):
        unused = {f"#/components/{kind}/{name}" for name in written["components"][kind]} - used
        assert not unused


def test_every_example_is_valid(written: dict[str, Any]) -> None:
    for name, example in EXAMPLES.items():
        model: type[BaseModel] = getattr(schemas, name)
        shown = model.model_validate(example).model_dump(mode="json", exclude_unset=True)
        assert shown == example
        assert written["components"]["schemas"][name]["examples"] == [example]
    for response in written["components"]["responses"].values():
        for example in response["content"]["application/problem+json"]["examples"].values():
            schemas.ProblemDocument.model_validate(example["value"])
