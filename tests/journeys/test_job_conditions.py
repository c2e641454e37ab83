"""Replicates, timeouts, retries, batches and streams with real processes, on both stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.journeys.customer import Customer
from tests.journeys.test_job_kinds import LONG_QUESTION, ask
from tests.journeys.test_journeys import SPEC

pytestmark = pytest.mark.slow


def test_replicates_are_constructed_from_seeds_that_follow_each_other(
    customer: Customer, small_checkpoint: Path
) -> None:
    spec = SPEC | {"replicates": 3, "source": {"seed": 11}}

    done = customer.finished(customer.submit(small_checkpoint, spec))

    assert done["status"] == "succeeded", done
    report = done["metrics"]
    assert [ticket["seed"] for ticket in report["tickets"]] == [11, 12, 13]
    parameters = [
        customer.http.get(f"/v1/tickets/{ticket['ticket_id']}").json()["metrics"]["ticket"][
            "parameters"
        ]
        for ticket in report["tickets"]
    ]
    assert report["ticket"]["parameters"]["mean"] == pytest.approx(sum(parameters) / 3)
    low, high = report["ticket"]["parameters"]["interval"]
    assert low <= sum(parameters) / 3 <= high


def test_a_batch_ends_with_one_table(customer: Customer, small_checkpoint: Path) -> None:
    uploaded = customer.upload("checkpoints", small_checkpoint)
    document = {
        "checkpoint_id": uploaded["id"],
        "spec": SPEC | {"replicates": 2},
        "sweep": {"construction": ["2L", "L+1"]},
    }

    batch = customer.http.post("/v1/batches", json=document).json()
    for job in customer.http.get(batch["links"]["jobs"]).json()["data"]:
        assert customer.finished(job)["status"] == "succeeded"

    results = customer.http.get(batch["links"]["results"]).json()
    assert results["terminal"] is True
    assert len(results["rows"]) == 4
    assert [group["spec"]["construction"] for group in results["groups"]] == ["2L", "L+1"]
    assert all(group["metrics"]["parameters"]["mean"] > 0 for group in results["groups"])


def test_a_job_that_runs_too_long_is_ended_and_can_be_retried(customer: Customer) -> None:
    question = LONG_QUESTION | {"trials": 10_000_000}
    body: dict[str, Any] = {"kind": "statistics", "spec": question, "timeout_s": 0.5}
    job = customer.http.post("/v1/jobs", json=body).json()

    failed = customer.finished(job)
    again = customer.http.post(failed["links"]["retry"]).json()

    assert (failed["status"], failed["error"]["code"]) == ("failed", "JOB_TIMEOUT")
    assert customer.finished(again)["error"]["code"] == "JOB_TIMEOUT"
    log = customer.http.get(failed["links"]["logs"]).text
    assert "attempt 1 of 3 started" in log
    assert "failed with JOB_TIMEOUT" in log


def test_a_stream_follows_a_job_to_its_end(customer: Customer) -> None:
    job = ask(customer, {"candidates": 10, "trials": 1000})

    with customer.http.stream(
        "GET", job["links"]["events"], headers={"Accept": "text/event-stream"}
    ) as answer:
        names = [line[7:] for line in answer.iter_lines() if line.startswith("event: ")]

    lasting = [name for name in names if name not in ("progress", "job.progress")]
    assert lasting == ["job.queued", "job.started", "job.succeeded", "end"]
