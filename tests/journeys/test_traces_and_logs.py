"""A request's id and trace lead to everything that was done for it, in every process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.customer import Customer
from tests.journeys.stacks import embedded
from tests.journeys.trace_collector import CollectedSpan, Collector, collecting
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

SPEC = {
    "construction": "2L",
    "activation": {"name": "relu"},
    "input": {"mean": 0.0, "std": 1.0, "low": 0.0, "high": 1.0},
}
IMPOSSIBLE = SPEC | {"base_set": {"size": 1, "largest_subset": 1}, "tolerance": {"parameter": 1e-6}}
TRACE_ID, CALLER = "0123456789abcdef0123456789abcdef", "0123456789abcdef"


@dataclass(frozen=True)
class Done:
    """One job that succeeded and one that failed, both of one traced request each."""

    collector: Collector
    log: list[dict[str, Any]]
    good: dict[str, Any]
    bad: dict[str, Any]
    key: str


def submit(customer: Customer, checkpoint: Path, spec: dict[str, Any], trace: str) -> Any:
    uploaded = customer.upload("checkpoints", checkpoint)
    answer = customer.http.post(
        "/v1/jobs",
        json={"checkpoint_id": uploaded["id"], "spec": spec},
        headers={"X-Request-ID": f"request-{trace[:4]}", "traceparent": f"00-{trace}-{CALLER}-01"},
    )
    assert answer.status_code == 202, answer.text
    return customer.finished(answer.json())


@pytest.fixture(scope="module")
def done(small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    folder = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as environment, collecting() as collector:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        with embedded(folder) as stack:
            customer = Customer(stack.url, stack.key)
            good = submit(customer, small_checkpoint, SPEC, TRACE_ID)
            bad = submit(customer, small_checkpoint, IMPOSSIBLE, TRACE_ID[::-1])
            customer.http.get("/v1/checkpoints", params={"cursor": "a private name"})
            customer.close()
        lines = (folder / "log").read_text().splitlines()
        log = [json.loads(line) for line in lines if line.startswith("{")]
        yield Done(collector, log, good, bad, stack.key)


def named(spans: list[CollectedSpan], name: str) -> CollectedSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def test_a_trace_goes_from_the_request_through_the_worker_to_the_runners_stages(done: Done) -> None:
    wait_until(lambda: len(done.collector.of(TRACE_ID)) >= 4)
    spans = done.collector.of(TRACE_ID)

    request = named(spans, "POST /v1/jobs")
    attempt = named(spans, "attempt construct")
    run = named(spans, "run construct")
    assert request.parent_id == CALLER
    assert attempt.parent_id == request.span_id
    assert run.parent_id == attempt.span_id
    assert {span.service for span in (request, attempt, run)} == {
        "ltforge-api",
        "ltforge-worker",
        "ltforge-runner",
    }
    stages = {span.name for span in spans if span.parent_id == run.span_id}
    assert {"load", "construct", "verify"} <= stages
    for span in (attempt, run):
        assert span.attributes["ltforge.job_id"] == done.good["id"]
        assert span.attributes["ltforge.request_id"] == "request-0123"
        assert not span.failed


def test_a_failure_is_marked_in_its_trace(done: Done) -> None:
    assert done.bad["status"] == "failed"
    spans = done.collector.of(TRACE_ID[::-1])

    for name in ("attempt construct", "run construct"):
        span = named(spans, name)
        assert span.failed
        assert span.attributes["error.type"] == done.bad["error"]["code"]


def test_spans_show_neither_keys_nor_what_users_name(done: Done) -> None:
    queried = [span for span in done.collector.spans if "url.query" in span.attributes]

    assert queried
    assert "private" not in repr(done.collector.spans)
    assert done.key.split("_")[2] not in repr(done.collector.spans)
    assert not [span for span in done.collector.spans if "/readyz" in repr(span)]


@pytest.mark.parametrize("event", ["job started", "attempt ended", "run ended"])
def test_worker_and_runner_log_whose_job_and_which_requests_it_is(done: Done, event: str) -> None:
    job_id = done.good["id"]
    (entry,) = [one for one in done.log if one["event"] == event and one["job_id"] == job_id]
    (request,) = [
        one for one in done.log if one["event"] == "request" and one["request_id"] == "request-0123"
    ]

    assert entry["request_id"] == "request-0123"
    assert entry["tenant_id"] == request["tenant_id"]
    assert entry["attempt"] == "1"
    assert entry["kind"] == "construct"


def test_a_validation_is_logged_with_whose_upload_it_is(done: Done) -> None:
    (entry,) = [one for one in done.log if one["event"] == "upload validated"]

    assert entry["upload_id"] == done.good["checkpoint_id"]
    assert entry["tenant_id"].startswith("ten_")


def test_no_key_is_in_any_log(done: Done) -> None:
    assert done.key.split("_")[2] not in json.dumps(done.log)
