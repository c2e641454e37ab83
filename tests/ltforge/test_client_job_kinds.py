"""Estimates, statistics and plans: what is sent, and what comes back."""

from __future__ import annotations

import pytest

from ltforge import Client, InvalidRequestError, JobFailedError, WaitTimeoutError
from tests.ltforge.conftest import QUICK
from tests.ltforge.contract_server import API_KEY, PLAN, ContractServer, Fault

SPEC = {"construction": "L+1"}


def test_a_submission_is_a_construction_unless_it_says_otherwise(
    client: Client, server: ContractServer
) -> None:
    assert client.submit("ckp_1", SPEC).kind == "construct"
    assert client.submit("ckp_1", SPEC, kind="estimate", replicates=2).replicates == 2

    assert server.state.submissions == [
        {"kind": "construct", "checkpoint_id": "ckp_1", "spec": SPEC},
        {"kind": "estimate", "checkpoint_id": "ckp_1", "spec": SPEC, "replicates": 2},
    ]


def test_an_estimate_has_replicates_and_ends_with_metrics(
    client: Client, server: ContractServer
) -> None:
    report = {"ticket": {"parameters": {"mean": 5.0, "interval": [4.0, 6.0]}}}
    server.state.job_script = [{"status": "succeeded", "terminal": True, "metrics": report}]

    job = client.estimate("ckp_1", SPEC, "dst_2", {"network": "vgg"}, replicates=5)
    done = job.wait(timeout=5)

    assert (job.kind, job.replicates) == ("estimate", 5)
    assert (job.dataset_id, job.labels) == ("dst_2", {"network": "vgg"})
    assert (done.metrics, done.ticket_id) == (report, None)


def test_statistics_need_no_checkpoint(client: Client, server: ContractServer) -> None:
    job = client.statistics({"candidates": 15}, {"table": "1"})
    by_default = client.statistics()

    assert (job.kind, job.checkpoint_id, job.spec) == ("statistics", None, {"candidates": 15})
    assert by_default.spec == {}
    assert "checkpoint_id" not in server.state.submissions[0]


def test_jobs_are_listed_by_kind(client: Client) -> None:
    client.submit("ckp_1", SPEC)
    estimate = client.estimate("ckp_1", SPEC)

    assert [job.id for job in client.list_jobs(kind="estimate")] == [estimate.id]


def test_a_plan_made_in_time_is_the_answer(client: Client, server: ContractServer) -> None:
    assert client.plan("ckp_1", SPEC) == PLAN
    assert server.state.jobs == {}


def test_a_plan_that_takes_longer_is_waited_for_as_a_job(
    client: Client, server: ContractServer
) -> None:
    server.state.seconds_of_a_plan = 20
    server.state.job_script = [
        {"status": "running"},
        {"status": "succeeded", "terminal": True, "metrics": PLAN},
    ]

    assert client.plan("ckp_1", SPEC) == PLAN
    assert server.state.count("GET", "/v1/jobs/job_1") == 2


def test_the_service_is_never_asked_to_wait_longer_than_the_connection_would(
    server: ContractServer,
) -> None:
    server.state.seconds_of_a_plan = 2
    server.state.job_script = [{"status": "succeeded", "terminal": True, "metrics": PLAN}]

    with Client(server.url, API_KEY, timeout=3, retries=QUICK) as hasty:
        assert hasty.plan("ckp_1", SPEC) == PLAN

    assert list(server.state.jobs) == ["job_1"]


def test_a_plan_is_waited_for_with_a_deadline(client: Client, server: ContractServer) -> None:
    server.state.seconds_of_a_plan = 20

    with pytest.raises(WaitTimeoutError):
        client.plan("ckp_1", SPEC, timeout=0.2)


def test_a_plan_that_cannot_be_made_is_an_error_by_name(
    client: Client, server: ContractServer
) -> None:
    server.state.faults.append(Fault("POST", "/v1/plans", "status", status=422))
    with pytest.raises(InvalidRequestError):
        client.plan("ckp_1", SPEC)

    server.state.seconds_of_a_plan = 20
    error = {"code": "INVALID_NETWORK", "detail": "layer 2 takes 7 inputs"}
    server.state.job_script = [{"status": "failed", "terminal": True, "error": error}]
    with pytest.raises(JobFailedError, match="INVALID_NETWORK"):
        client.plan("ckp_1", SPEC)


def test_asking_twice_for_a_plan_is_harmless_so_it_is_repeated(
    client: Client, server: ContractServer
) -> None:
    server.state.faults.append(Fault("POST", "/v1/plans", "drop"))

    assert client.plan("ckp_1", SPEC) == PLAN
    assert server.state.count("POST", "/v1/plans") == 2
