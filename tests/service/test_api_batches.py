"""Batches over HTTP: sweeps, their progress and their tables."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from service.domain import JobStatus
from tests.service.running_api import SPEC, RunningApi, accept_checkpoint, upload

SWEEP: dict[str, Any] = {
    "tolerance.parameter": [0.01, 0.02],
    "source.seed": {"start": 3, "count": 2},
}


@pytest.fixture
def checkpoint(api: RunningApi) -> str:
    made = upload(api.client)
    accept_checkpoint(api.store)
    return str(made["id"])


def submit(api: RunningApi, checkpoint: str, **fields: Any) -> Any:
    document = {"checkpoint_id": checkpoint, "spec": SPEC, "sweep": SWEEP, **fields}
    return api.client.post("/v1/batches", json=document)


def succeed_all(api: RunningApi) -> None:
    """Finish each job with numbers made of its seed."""
    while True:
        with api.store.begin() as tx:
            claimed = tx.jobs.claim("worker", 60)
            if claimed is None:
                return
            job = claimed.job
            seed = job.spec["source"]["seed"]
            report = {
                "target": {"parameters": 5},
                "ticket": {"digest": "d", "parameters": 10 * seed},
                "error": {"largest_parameter": 0.01},
                "seconds": {"total": 0.5},
            }
            assert job.checkpoint_id is not None
            ticket = tx.tickets.add(job.tenant_id, job.id, job.checkpoint_id, "d", report, [b"x"])
            tx.jobs.succeed(job.id, claimed.lease_token, ticket.id, report)


def test_a_batch_is_one_job_for_each_combination_and_seed(api: RunningApi, checkpoint: str) -> None:
    answer = submit(api, checkpoint, name="two by two", labels={"a": "b"}, priority=1)

    assert answer.status_code == 202, answer.text
    batch = answer.json()
    assert answer.headers["Location"] == batch["links"]["self"]
    assert (batch["name"], batch["total"], batch["counts"]) == ("two by two", 4, {"queued": 4})
    assert batch["terminal"] is False
    jobs = api.client.get(batch["links"]["jobs"]).json()["data"][::-1]
    shown = [(job["spec"]["tolerance"]["parameter"], job["spec"]["source"]["seed"]) for job in jobs]
    assert shown == [(0.01, 3), (0.01, 4), (0.02, 3), (0.02, 4)]
    assert {job["batch_id"] for job in jobs} == {batch["id"]}
    assert {(job["priority"], job["labels"]["a"]) for job in jobs} == {(1, "b")}
    assert api.client.get(batch["links"]["self"]).json() == batch
    assert api.client.get("/v1/batches").json()["data"] == [batch]


def test_replicates_are_seeds(api: RunningApi, checkpoint: str) -> None:
    answer = submit(api, checkpoint, spec=SPEC | {"replicates": 3}, sweep={"construction": ["2L"]})

    jobs = api.client.get(answer.json()["links"]["jobs"]).json()["data"]
    assert sorted(job["spec"]["source"]["seed"] for job in jobs) == [0, 1, 2]
    assert {job["parent_id"] for job in jobs} == {None}


def test_a_dry_run_only_counts(api: RunningApi, checkpoint: str) -> None:
    answer = submit(api, checkpoint, dry_run=True, spec=SPEC | {"replicates": 5})

    assert answer.status_code == 200
    assert answer.json() == {"jobs": 20, "combinations": 4}
    assert api.client.get("/v1/batches").json()["data"] == []
    assert api.client.get("/v1/jobs").json()["data"] == []


def test_the_table_has_a_row_for_each_job_and_groups_over_seeds(
    api: RunningApi, checkpoint: str
) -> None:
    batch = submit(api, checkpoint).json()
    path = batch["links"]["results"]
    assert api.client.get(path).json()["terminal"] is False
    succeed_all(api)

    results = api.client.get(path).json()

    assert results["terminal"] is True
    assert [row["metrics"]["parameters"] for row in results["rows"]] == [30, 40, 30, 40]
    assert [row["seed"] for row in results["rows"]] == [3, 4, 3, 4]
    assert all(row["ticket_id"] and row["status"] == "succeeded" for row in results["rows"])
    first, second = results["groups"]
    assert (first["spec"], second["spec"]) == (
        {"tolerance.parameter": 0.01},
        {"tolerance.parameter": 0.02},
    )
    assert (first["jobs"], first["succeeded"]) == (2, 2)
    assert first["metrics"]["parameters"]["mean"] == 35
    assert first["metrics"]["parameters"]["interval"] == pytest.approx([-28.53, 98.53], abs=0.01)
    assert first["metrics"]["accuracy"] is None
    assert api.client.get(batch["links"]["self"]).json()["counts"] == {"succeeded": 4}


def test_the_table_also_comes_as_csv(api: RunningApi, checkpoint: str) -> None:
    path = submit(api, checkpoint).json()["links"]["results"]
    succeed_all(api)

    by_format = api.client.get(path, params={"format": "csv"})
    by_accept = api.client.get(path, headers={"Accept": "text/csv"})
    groups = api.client.get(path, params={"format": "csv", "table": "groups"})

    assert by_format.headers["Content-Type"].startswith("text/csv")
    assert by_accept.content == by_format.content
    rows = list(csv.DictReader(io.StringIO(by_format.text)))
    assert [row["parameters"] for row in rows] == ["30", "40", "30", "40"]
    assert [row["tolerance.parameter"] for row in rows] == ["0.01", "0.01", "0.02", "0.02"]
    assert rows[0]["accuracy"] == ""
    lines = list(csv.DictReader(io.StringIO(groups.text)))
    assert [line["parameters"] for line in lines] == ["35.0", "35.0"]
    assert float(lines[0]["parameters_high"]) == pytest.approx(98.53, abs=0.01)


def test_canceling_a_batch_cancels_what_has_not_ended(api: RunningApi, checkpoint: str) -> None:
    batch = submit(api, checkpoint).json()
    with api.store.begin() as tx:
        tx.jobs.claim("worker", 60)

    first = api.client.post(batch["links"]["cancel"], json={"reason": "enough"})
    again = api.client.post(batch["links"]["cancel"])

    assert first.json()["counts"] == {"canceling": 1, "canceled": 3}
    assert again.json() == first.json()
    jobs = api.client.get(batch["links"]["jobs"], params={"status": JobStatus.CANCELED.value})
    assert {job["cancel_reason"] for job in jobs.json()["data"]} == {"enough", None} - {None}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("/spec/tolerance/parameter", {"sweep": {"tolerance.parameter": [0.01, 0]}}),
    ("/spec/nonsense", {"sweep": {"nonsense": [1]}}),
    ("/spec/construction", {"spec": {}, "sweep": {"source.seed": [1]}}),
    ("/sweep", {"sweep": {"source.seed": {"start": 0, "count": 1000}, "construction": ["2L"] * 2}}),
    ("/sweep", {"spec": SPEC | {"base_set": "auto"}, "sweep": {"base_set.size": [10]}}),
    ("/sweep", {"spec": SPEC | {"replicates": 100}, "sweep": {"source.seed": [0] * 11}}),
]


@pytest.mark.parametrize(("pointer", "fields"), WRONG)
def test_a_wrong_sweep_is_refused_and_nothing_is_queued(
    shared_api: RunningApi, pointer: str, fields: dict[str, Any]
) -> None:
    answer = submit(shared_api, "ckp_" + "0" * 26, **fields)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    "sweep", [{"a.": [1]}, {"A": [1]}, {"a": []}, {"a": {"start": 0}}, {"a": 1}, []]
)
def test_a_malformed_sweep_is_refused(shared_api: RunningApi, sweep: Any) -> None:
    assert submit(shared_api, "ckp_" + "0" * 26, sweep=sweep).status_code == 422


def test_a_batch_on_anothers_checkpoint_is_not_found(api: RunningApi, checkpoint: str) -> None:
    document = {"checkpoint_id": checkpoint, "spec": SPEC, "sweep": SWEEP}

    assert api.stranger.post("/v1/batches", json=document).status_code == 404
