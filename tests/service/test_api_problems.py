"""Errors over HTTP: always a problem document, never a surprise."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx

from service.api.problem_types import PROBLEM_TYPES, all_problem_types
from service.api.schemas import ProblemDocument
from service.errors import ServiceError
from service.settings import Settings
from tests.service.running_api import RunningApi, serve_api
from tests.waiting import wait_until


def subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield error
    for child in error.__subclasses__():
        yield from subclasses(child)


def test_every_service_error_has_a_problem_type() -> None:
    assert set(subclasses(ServiceError)) == set(PROBLEM_TYPES)


def test_problem_types_have_names_of_their_own() -> None:
    slugs = [kind.slug for kind in all_problem_types()]

    assert len(slugs) == len(set(slugs))


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    ProblemDocument.model_validate(document)
    assert document["status"] == status
    assert document["code"] == code
    assert document["request_id"] == answer.headers["X-Request-ID"]
    return dict(document)


def test_the_frameworks_own_errors_are_problems(api: RunningApi) -> None:
    problem(api.client.get("/nowhere"), 404, "NO_SUCH_PATH")
    problem(api.client.get("/v1/jobs/"), 404, "NO_SUCH_PATH")
    wrong = api.client.delete("/v1/jobs")
    problem(wrong, 405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["Allow"] == "GET, POST"


def test_types_lead_to_descriptions(api: RunningApi) -> None:
    document = problem(api.client.get("/v1/jobs/none"), 404, "NOT_FOUND")

    described = api.client.get(document["type"])

    assert described.status_code == 200
    assert described.json()["title"] == document["title"]
    for kind in all_problem_types():
        assert api.client.get(kind.uri).json()["meaning"]
    problem(api.client.get("/problems/unheard-of"), 404, "NOT_FOUND")


def test_a_database_without_its_tables_fails_by_name(settings: Settings) -> None:
    with serve_api(settings) as api:
        with api.store.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO hidden")
        try:
            answer = api.client.get("/v1/jobs")
            document = problem(answer, answer.status_code, answer.json()["code"])
            assert document["code"] in ("INTERNAL_ERROR", "STORAGE_UNAVAILABLE")
            assert answer.status_code in (500, 503)
            for secret in ("api_keys", "SELECT", "sqlite", "psycopg", str(settings.data)):
                assert secret not in answer.text
            causes = {"request_failed", "service_failed"}
            wait_until(lambda: any(entry["event"] in causes for entry in api.logs))
        finally:
            with api.store.engine.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE hidden RENAME TO api_keys")


def test_request_ids_are_kept_when_sane_and_made_otherwise(api: RunningApi) -> None:
    kept = api.client.get("/livez", headers={"X-Request-ID": "trace/1:a=b@c+d"})
    assert kept.headers["X-Request-ID"] == "trace/1:a=b@c+d"

    for hostile in ("", "a b", "x" * 129, "<script>", "é", "a;b", '"'):
        made = api.client.get("/livez", headers={b"X-Request-ID": hostile.encode("latin-1")})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["X-Request-ID"]), hostile

    first, second = api.client.get("/livez"), api.client.get("/livez")
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]
