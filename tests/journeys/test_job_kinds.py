"""Estimates, statistics and plans on both stacks: real processes, databases, brokers and engine."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltengine.statistics.measurement import measure
from ltengine.statistics.question import parse_question
from tests.journeys.customer import Customer
from tests.journeys.stacks import Embedded, Production, runner
from tests.journeys.test_journeys import SPEC
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

QUESTION: dict[str, Any] = {"candidates": 15, "tolerance": 0.01, "trials": 20_000, "seed": 3}
# Seconds of work: time enough to cancel it, or to kill what does it.
LONG_QUESTION: dict[str, Any] = {"tolerance": 1e-4, "trials": 100_000, "seed": 4}

Stack = Embedded | Production


def ask(customer: Customer, question: dict[str, Any]) -> dict[str, Any]:
    response = customer.http.post("/v1/jobs", json={"kind": "statistics", "spec": question})
    assert response.status_code == 202, response.text
    return dict(response.json())


def measuring(customer: Customer, job: dict[str, Any]) -> None:
    wait_until(lambda: customer.job(job)["progress"]["stage"] == "statistics", 60, "progress")


def plan(customer: Customer, checkpoint: Path, spec: dict[str, Any], prefer: str) -> Any:
    uploaded = customer.upload("checkpoints", checkpoint)
    body = {"checkpoint_id": uploaded["id"], "spec": spec}
    # Longer than the longest wait that can be asked for.
    return customer.http.post("/v1/plans", json=body, headers={"Prefer": prefer}, timeout=90)


def test_an_estimate_comes_close_to_the_real_ticket(
    customer: Customer, small_checkpoint: Path, tmp_path: Path
) -> None:
    generator = np.random.default_rng(3)
    path = tmp_path / "data.npz"
    np.savez(path, x=generator.random((50, 12), np.float32), y=generator.integers(0, 3, 50))
    dataset = customer.upload("datasets", path)["id"]
    asked = {"kind": "estimate", "replicates": 2, "dataset_id": dataset}

    estimate = customer.submit(small_checkpoint, SPEC, **asked)
    ticket = customer.submit(small_checkpoint, SPEC)
    estimated, built = customer.finished(estimate), customer.finished(ticket)

    assert estimated["status"] == "succeeded", estimated
    assert (estimated["kind"], estimated["ticket_id"]) == ("estimate", None)
    report = estimated["metrics"]
    assert report["replicates"] == 2
    foretold = report["ticket"]["parameters"]["mean"]
    assert foretold == pytest.approx(built["metrics"]["ticket"]["parameters"], rel=0.1)
    assert 0 <= report["accuracy"]["agreement"]["mean"] <= 1


def test_statistics_are_those_of_the_engine_itself(customer: Customer) -> None:
    done = customer.finished(ask(customer, QUESTION))

    assert done["status"] == "succeeded", done
    assert done["metrics"] == measure(parse_question(QUESTION)).to_document()


def test_a_plan_is_answered_at_once_and_foretells_the_construction(
    customer: Customer, small_checkpoint: Path
) -> None:
    answer = plan(customer, small_checkpoint, SPEC, "wait=60")

    assert answer.status_code == 200, answer.text
    made = customer.http.get(answer.headers["Location"]).json()
    assert (made["kind"], made["metrics"]) == ("plan", answer.json())
    built = customer.finished(customer.submit(small_checkpoint, SPEC))
    assert answer.json()["source"]["widths"] == built["metrics"]["source"]["widths"]


def test_a_plan_that_nobody_waits_for_is_made_all_the_same(
    customer: Customer, small_checkpoint: Path
) -> None:
    answer = plan(customer, small_checkpoint, SPEC, "respond-async")

    assert answer.status_code == 202
    done = customer.finished(answer.json())
    assert done["status"] == "succeeded", done
    assert done["metrics"]["source"]["widths"]


def test_a_plan_that_cannot_be_made_says_why(customer: Customer, small_checkpoint: Path) -> None:
    answer = plan(customer, small_checkpoint, {"construction": "L+1"}, "wait=60")

    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "INVALID_SPECIFICATION"
    assert "/activation" in answer.json()["detail"]


def test_statistics_are_canceled_within_two_seconds(customer: Customer) -> None:
    job = ask(customer, LONG_QUESTION | {"trials": 10_000_000})
    measuring(customer, job)

    asked = time.monotonic()
    customer.http.post(f"/v1/jobs/{job['id']}/cancel")
    canceled = customer.finished(job)

    assert canceled["status"] == "canceled"
    assert canceled["metrics"] is None
    assert time.monotonic() - asked < 2


def test_a_killed_runner_does_not_change_the_answer(customer: Customer, stack: Stack) -> None:
    job = ask(customer, LONG_QUESTION)
    measuring(customer, job)
    victim = runner(stack)
    assert victim is not None

    os.kill(victim, signal.SIGKILL)
    done = customer.finished(job)

    assert done["status"] == "succeeded", done
    assert done["attempt"] == 2
    assert done["metrics"] == measure(parse_question(LONG_QUESTION)).to_document()
