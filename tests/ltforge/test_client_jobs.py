"""Jobs: submitted once, waited for with a deadline, listed page by page, failed by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ltforge import (
    AuthenticationError,
    Client,
    InvalidRequestError,
    JobCanceledError,
    JobFailedError,
    JobRecord,
    LTForgeError,
    NoAnswerError,
    NotFoundError,
    RateLimitError,
    ServiceFailureError,
    WaitTimeoutError,
)
from tests.ltforge.conftest import QUICK
from tests.ltforge.contract_server import ContractServer, Fault

SPEC = {"construction": "L+1"}


def test_a_submitted_job_carries_what_was_asked(client: Client) -> None:
    job = client.submit("ckp_1", SPEC, dataset="dst_2", labels={"team": "vision"})

    assert (job.checkpoint_id, job.dataset_id) == ("ckp_1", "dst_2")
    assert job.labels == {"team": "vision"}
    assert job.spec == SPEC
    assert job.created_at == datetime(2026, 11, 23, 10, 0, 0, 250000, UTC)
    assert job.started_at is None


def test_wait_reports_every_change_once_and_returns_the_succeeded_job(
    client: Client, server: ContractServer
) -> None:
    halfway = {"stage": "construct", "done": 1, "total": 2, "fraction": 0.5}
    server.state.job_script = [
        {"status": "running", "progress": halfway},
        {},
        {"status": "a_state_of_the_future"},
        {"status": "succeeded", "terminal": True, "ticket_id": "tkt_1", "metrics": {"device": "x"}},
    ]
    seen: list[JobRecord] = []

    job = client.submit("ckp_1", SPEC).wait(timeout=5, on_progress=seen.append)

    assert [item.status for item in seen] == ["running", "a_state_of_the_future", "succeeded"]
    assert seen[0].progress.fraction == 0.5
    assert (job.ticket_id, job.metrics) == ("tkt_1", {"device": "x"})


def test_a_failed_job_is_an_error_with_the_services_reason(
    client: Client, server: ContractServer
) -> None:
    error = {"code": "UNSOLVED_PROBLEMS", "detail": "3 problems; raise base_set.size"}
    server.state.job_script = [{"status": "failed", "terminal": True, "error": error}]

    with pytest.raises(JobFailedError) as caught:
        client.submit("ckp_1", SPEC).wait(timeout=5)

    assert caught.value.code == "UNSOLVED_PROBLEMS"
    assert caught.value.job.status == "failed"


def test_a_terminal_state_of_the_future_is_no_success(
    client: Client, server: ContractServer
) -> None:
    server.state.job_script = [{"status": "withdrawn", "terminal": True}]

    with pytest.raises(JobFailedError, match="JOB_WITHDRAWN"):
        client.submit("ckp_1", SPEC).wait(timeout=5)


def test_a_canceled_job_ends_the_wait_by_name(client: Client) -> None:
    job = client.submit("ckp_1", SPEC)

    assert job.cancel().status == "canceled"
    assert client.cancel_job(job).status == "canceled"
    with pytest.raises(JobCanceledError, match="JOB_CANCELED"):
        job.wait(timeout=5)


def test_wait_gives_up_at_its_deadline(client: Client) -> None:
    job = client.submit("ckp_1", SPEC)

    with pytest.raises(WaitTimeoutError, match=r"job_1 was not finished after 0\.2 s"):
        job.wait(timeout=0.2)


def test_wait_outlasts_a_service_that_is_away_for_a_moment(
    client: Client, server: ContractServer
) -> None:
    server.state.job_script = [{"status": "succeeded", "terminal": True}]
    away = [Fault("GET", "/v1/jobs/job_1", kind) for kind in ("drop", "status") * 4]
    server.state.faults.extend(away)

    assert client.submit("ckp_1", SPEC).wait(timeout=10).status == "succeeded"


def test_a_wrong_spec_names_its_fields(client: Client) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        client.submit("ckp_1", {})

    error = caught.value
    assert (error.status, error.code) == (422, "INVALID_SPECIFICATION")
    assert [item.pointer for item in error.pointers] == ["/spec/construction"]
    assert "/spec/construction: this field is required" in str(error)


LOST_ANSWERS = [("drop", NoAnswerError), ("status", ServiceFailureError)]


@pytest.mark.parametrize(("kind", "error"), LOST_ANSWERS)
def test_a_submission_whose_answer_was_lost_is_sent_again_under_its_key(
    client: Client, server: ContractServer, kind: str, error: type[Exception]
) -> None:
    server.state.faults.append(Fault("POST", "/v1/jobs", kind))

    client.submit("ckp_1", SPEC)
    client.submit("ckp_1", SPEC)

    first, again, other = server.state.keys
    assert first == again
    assert first
    assert other not in (None, first)


@pytest.mark.parametrize(("kind", "error"), LOST_ANSWERS)
def test_what_the_service_keeps_no_answer_of_is_never_sent_twice(
    client: Client, server: ContractServer, kind: str, error: type[Exception]
) -> None:
    server.state.faults.append(Fault("POST", "/v1/api-keys", kind))

    with pytest.raises(error):
        client.create_api_key("ours")

    assert server.state.count("POST", "/v1/api-keys") == 1
    assert server.state.keys[0]


def test_an_own_idempotency_key_is_sent_as_it_is(client: Client, server: ContractServer) -> None:
    client.submit("ckp_1", SPEC, idempotency_key="monday")

    assert server.state.keys == ["monday"]


def test_a_key_whose_first_request_is_still_under_way_is_asked_again(
    client: Client, server: ContractServer
) -> None:
    busy = Fault("POST", "/v1/jobs", "status", status=409, code="IDEMPOTENCY_KEY_IN_USE")
    server.state.faults.append(busy)

    assert client.submit("ckp_1", SPEC).status == "queued"


def test_a_submission_turned_away_unread_is_sent_again(
    client: Client, server: ContractServer
) -> None:
    busy = Fault("POST", "/v1/jobs", "status", status=429, headers={"Retry-After": "0"})
    server.state.faults.append(busy)

    assert client.submit("ckp_1", SPEC).status == "queued"
    assert server.state.count("POST", "/v1/jobs") == 2


def test_retries_end(client: Client, server: ContractServer) -> None:
    busy = [Fault("GET", "/v1/jobs/job_1", "status", status=429) for _ in range(5)]
    server.state.faults.extend(busy)

    with pytest.raises(RateLimitError):
        client.get_job("job_1")

    assert server.state.count("GET", "/v1/jobs/job_1") == QUICK.attempts


def test_listing_walks_all_pages_lazily(client: Client, server: ContractServer) -> None:
    submitted = [client.submit("ckp_1", SPEC).id for _ in range(5)]

    listed = client.list_jobs(page_size=2)

    assert server.state.count("GET", "/v1/jobs") == 0
    assert [job.id for job in listed] == submitted
    assert server.state.count("GET", "/v1/jobs") == 3
    assert list(client.list_jobs(status="failed")) == []


def test_an_id_cannot_leave_its_place_in_the_path(client: Client, server: ContractServer) -> None:
    with pytest.raises(NotFoundError):
        client.get_job("../checkpoints?x=1")

    assert server.state.requests == [("GET", "/v1/jobs/..%2Fcheckpoints%3Fx%3D1")]


def test_an_unknown_key_is_an_authentication_error(server: ContractServer) -> None:
    with (
        Client(server.url, "ltf_wrong", retries=QUICK) as stranger,
        pytest.raises(AuthenticationError, match="INVALID_API_KEY"),
    ):
        stranger.get_job("job_1")


def test_no_service_is_a_named_error_that_says_where_it_looked(server: ContractServer) -> None:
    url = server.url
    server.server_close()

    with (
        Client(url, "ltf_key", retries=QUICK) as lonely,
        pytest.raises(NoAnswerError, match=r"127\.0\.0\.1") as caught,
    ):
        lonely.get_job("job_1")

    assert caught.value.code == "CONNECTION_FAILED"
    assert not caught.value.sent


def test_an_address_without_a_scheme_is_named_at_once() -> None:
    with (
        Client("127.0.0.1:8000", "ltf_key") as client,
        pytest.raises(LTForgeError, match="BAD_ADDRESS"),
    ):
        client.get_job("job_1")
