"""Jobs over HTTP: submit, look, list, cancel."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from ltengine.specification import parse_specification
from service.domain import Problem, Progress
from tests.service.running_api import (
    REPORT,
    SPEC,
    RunningApi,
    accept_checkpoint,
    finish_job,
    submit,
    upload,
)


@pytest.fixture
def checkpoint(api: RunningApi) -> dict[str, Any]:
    return upload(api.client)


def test_a_submitted_job_is_queued_with_its_complete_spec(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    labels = {"experiment": "one", "team/owner": "naïve ✓"}
    document = {"checkpoint_id": checkpoint["id"], "spec": SPEC, "labels": labels}

    answer = api.client.post("/v1/jobs", json=document)

    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert int(answer.headers["Retry-After"]) >= 1
    assert job["status"] == "queued"
    assert job["terminal"] is False
    assert job["spec"] == parse_specification(SPEC).model_dump(mode="json")
    assert job["labels"] == labels
    assert job["progress"] == {"stage": "queued", "done": 0, "total": 0, "fraction": 0.0}
    assert (job["error"], job["ticket_id"], job["metrics"], job["dataset_id"]) == (None,) * 4
    assert (job["started_at"], job["finished_at"]) == (None, None)
    assert datetime.fromisoformat(job["created_at"]).tzinfo is not None
    assert job["links"]["cancel"] == f"/v1/jobs/{job['id']}/cancel"
    assert job["links"]["ticket"] is None
    assert api.client.get(answer.headers["Location"]).json() == job


def test_a_submission_leaves_a_wake_up_for_the_workers(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    submit(api.client, checkpoint["id"])

    with api.store.read() as tx:
        kinds = [message.kind for message in tx.outbox.pending(10)]
    assert sorted(kinds) == ["auto", "validate"]


def test_a_job_may_name_a_data_set(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    dataset = api.client.post("/v1/datasets", content=b"numbers").json()

    job = submit(api.client, checkpoint["id"], dataset_id=dataset["id"])

    assert job["dataset_id"] == dataset["id"]


def test_a_running_job_shows_its_progress_and_a_finished_one_its_report(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    accept_checkpoint(api.store)
    job = submit(api.client, checkpoint["id"])
    with api.store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        progress = Progress.at("construct", 1, 4)
        tx.jobs.heartbeat(job["id"], claimed.lease_token, 60, progress)

    running = api.client.get(job["links"]["self"]).json()

    assert running["status"] == "running"
    assert running["attempt"] == 1
    assert running["progress"]["stage"] == "construct"
    assert (running["progress"]["done"], running["progress"]["total"]) == (1, 4)
    assert 0 < running["progress"]["fraction"] < 1
    assert running["started_at"] is not None


def test_a_succeeded_job_leads_to_its_ticket(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    accept_checkpoint(api.store)
    job = submit(api.client, checkpoint["id"])

    ticket_id = finish_job(api.store, [b"file"])

    done = api.client.get(job["links"]["self"]).json()
    assert done["status"] == "succeeded"
    assert done["terminal"] is True
    assert done["ticket_id"] == ticket_id
    assert done["metrics"] == REPORT
    assert done["progress"]["fraction"] == 1.0
    assert done["links"]["cancel"] is None
    for link in ("ticket", "mask", "metrics"):
        assert api.client.get(done["links"][link]).status_code == 200


def test_a_failed_job_says_why(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    accept_checkpoint(api.store)
    job = submit(api.client, checkpoint["id"])
    problem = Problem("UNSOLVED_PROBLEMS", "3 problems have no solution; raise base_set.size")
    with api.store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        tx.jobs.fail(job["id"], claimed.lease_token, problem)

    failed = api.client.get(job["links"]["self"]).json()

    assert failed["status"] == "failed"
    assert failed["terminal"] is True
    assert failed["error"] == {"code": problem.code, "detail": problem.detail}


def test_a_job_for_a_rejected_checkpoint_is_refused(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    with api.store.begin() as tx:
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.reject(task.id, task.lease_token, Problem("NOT_FINITE", "it holds NaN"))

    answer = api.client.post("/v1/jobs", json={"checkpoint_id": checkpoint["id"], "spec": SPEC})

    assert answer.status_code == 409
    assert answer.json()["code"] == "CHECKPOINT_REJECTED"
    assert "it holds NaN" in answer.json()["detail"]
    assert api.client.get("/v1/jobs").json()["data"] == []


def test_canceling_a_queued_job_ends_it(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    job = submit(api.client, checkpoint["id"])

    first = api.client.post(job["links"]["cancel"])
    second = api.client.post(job["links"]["cancel"])

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["status"] == "canceled"
    assert first.json()["terminal"] is True
    assert second.json() == first.json()


def test_canceling_a_running_job_asks_it_to_stop(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    accept_checkpoint(api.store)
    job = submit(api.client, checkpoint["id"])
    with api.store.begin() as tx:
        tx.jobs.claim("worker", 60)

    first = api.client.post(job["links"]["cancel"])
    second = api.client.post(job["links"]["cancel"])

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["status"] == "canceling"
    assert first.json()["terminal"] is False


def test_canceling_a_finished_job_changes_nothing(
    api: RunningApi, checkpoint: dict[str, Any]
) -> None:
    accept_checkpoint(api.store)
    job = submit(api.client, checkpoint["id"])
    finish_job(api.store, [b"file"])

    answer = api.client.post(job["links"]["cancel"])

    assert answer.status_code == 200
    assert answer.json()["status"] == "succeeded"


def test_jobs_are_listed_by_status(api: RunningApi, checkpoint: dict[str, Any]) -> None:
    canceled, queued = submit(api.client, checkpoint["id"]), submit(api.client, checkpoint["id"])
    api.client.post(canceled["links"]["cancel"])

    def listed(**parameters: str) -> list[str]:
        page = api.client.get("/v1/jobs", params=parameters).json()
        return [job["id"] for job in page["data"]]

    assert listed() == [queued["id"], canceled["id"]]
    assert listed(status="queued") == [queued["id"]]
    assert listed(status="canceled") == [canceled["id"]]
    assert listed(status="running") == []
