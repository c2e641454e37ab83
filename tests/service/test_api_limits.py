"""What a tenant may do: rate limits, quotas, and what was used."""

from __future__ import annotations

import re
import secrets
from typing import Any

import httpx
import pytest

from service.settings import Settings
from service.store import Store
from tests.service.running_api import (
    RunningApi,
    accept_checkpoint,
    finish_job,
    make_ticket,
    serve_api,
    submit,
    upload,
)

STATISTICS: dict[str, Any] = {"kind": "statistics", "spec": {"candidates": 5, "trials": 10}}


def limit(store: Store, tenant_id: str, **limits: int | None) -> None:
    with store.begin() as tx:
        tx.quotas.set_limits(tenant_id, limits)


def rate_of(answer: httpx.Response) -> tuple[int, int, int, int]:
    policy = re.fullmatch(r'"default";q=(\d+);w=(\d+)', answer.headers["RateLimit-Policy"])
    now = re.fullmatch(r'"default";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    assert policy is not None
    assert now is not None
    q, w, r, t = (int(number) for number in (*policy.groups(), *now.groups()))
    return q, w, r, t


def test_the_headers_count_down(api: RunningApi) -> None:
    limit(api.store, api.tenant_id, requests=50)

    first, second = (rate_of(api.client.get("/v1/me")) for _ in range(2))

    if first[3] >= second[3]:  # the same window
        assert second[2] == first[2] - 1
    assert first[:2] == (50, 60)
    assert 0 < first[3] <= 60
    assert "RateLimit" not in api.client.get("/livez").headers


def test_several_processes_together_let_in_exactly_what_is_allowed(settings: Settings) -> None:
    long = settings.model_copy(update={"rate_limit_seconds": 10**9})
    with serve_api(long) as one, serve_api(long) as other:
        limit(one.store, one.tenant_id, requests=25)
        headers = {"Authorization": one.client.headers["Authorization"]}
        answers = []
        for _ in range(20):
            answers.append(one.client.get("/v1/me"))
            answers.append(other.client.get("/v1/me", headers=headers))

        allowed = [answer.status_code for answer in answers].count(200)
        refused = [answer for answer in answers if answer.status_code != 200]
        assert allowed == 25
        for answer in refused:
            assert (answer.status_code, answer.json()["code"]) == (429, "RATE_LIMITED")
            assert int(answer.headers["Retry-After"]) > 0
            assert rate_of(answer)[2] == 0
        assert other.client.get("/v1/me").status_code == 200


def test_a_share_of_many_requests_costs_few_writes(api: RunningApi) -> None:
    limit(api.store, api.tenant_id, requests=10_000)
    with api.store.begin() as tx:
        grant = tx.quotas.take_requests(api.tenant_id)

    assert grant.granted == 100


def test_a_new_window_begins_anew(settings: Settings) -> None:
    with serve_api(settings.model_copy(update={"rate_limit_seconds": 1})) as api:
        limit(api.store, api.tenant_id, requests=1)
        statuses: list[int] = []
        while statuses.count(200) < 3:  # takes two windows, one allowed request each
            statuses.append(api.client.get("/v1/me").status_code)
        assert set(statuses) == {200, 429}


def test_b1_more_jobs_than_allowed_are_not_queued(api: RunningApi) -> None:
    limit(api.store, api.tenant_id, queued_jobs=2)
    jobs = [api.client.post("/v1/jobs", json=STATISTICS) for _ in range(3)]

    assert [job.status_code for job in jobs] == [202, 202, 429]
    assert jobs[2].json()["code"] == "QUOTA_EXCEEDED"
    assert int(jobs[2].headers["Retry-After"]) > 0
    api.client.post(f"/v1/jobs/{jobs[0].json()['id']}/cancel")
    assert api.client.post("/v1/jobs", json=STATISTICS).status_code == 202
    assert api.stranger.post("/v1/jobs", json=STATISTICS).status_code == 202


def test_b1_no_more_jobs_run_than_allowed(api: RunningApi) -> None:
    limit(api.store, api.tenant_id, running_jobs=1)
    for client in (api.client, api.client, api.stranger, api.stranger):
        client.post("/v1/jobs", json=STATISTICS)

    claimed = []
    for _ in range(4):
        with api.store.begin() as tx:
            claimed.append(tx.jobs.claim("worker", 60))

    owners = [job.job.tenant_id for job in claimed if job is not None]
    assert owners.count(api.tenant_id) == 1
    assert len(owners) == 3


@pytest.mark.parametrize(
    "spec",
    [
        {"tolerance": {"parameter": 0}},
        {"tolerance": {"parameter": "NaN"}},
        {"source": {"seed": 2**200}},
        {"source": {"seed": -1}},
        {"base_set": {"size": 10**9, "largest_subset": 10}},
        {"source": {"depth": 10**9}},
        {"failure_probability": 0},
    ],
)
def test_b1_specs_that_are_bombs_are_refused_before_they_are_queued(
    api: RunningApi, spec: dict[str, Any]
) -> None:
    checkpoint = upload(api.client)
    whole = {"construction": "2L", "activation": {"name": "relu"}, **spec}

    answer = api.client.post("/v1/jobs", json={"checkpoint_id": checkpoint["id"], "spec": whole})

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(f"/spec/{next(iter(spec))}")
    assert api.client.get("/v1/jobs").json()["data"] == []


def test_what_does_not_fit_is_not_stored(api: RunningApi) -> None:
    limit(api.store, api.tenant_id, stored_bytes=100)
    upload(api.client, b"x" * 60)

    over = api.client.post("/v1/checkpoints", content=b"y" * 60)

    assert (over.status_code, over.json()["code"]) == (413, "STORAGE_QUOTA_EXCEEDED")
    upload(api.client, b"z" * 40)
    full = api.client.post("/v1/datasets", content=b"z")
    assert (full.status_code, full.json()["code"]) == (413, "STORAGE_QUOTA_EXCEEDED")


def test_uploads_under_way_are_limited_and_their_end_frees_the_slot(api: RunningApi) -> None:
    limit(api.store, api.tenant_id, uploads=1)
    upload(api.client, b"one")
    upload(api.client, b"two")
    with api.store.begin() as tx:
        held = tx.quotas.open_slot(api.tenant_id)

    refused = api.client.post("/v1/checkpoints", content=b"three")

    assert (refused.status_code, refused.json()["code"]) == (429, "QUOTA_EXCEEDED")
    upload(api.stranger, b"theirs")
    with api.store.begin() as tx:
        tx.quotas.close_slot(held)
    upload(api.client, b"three")


def test_exports_count_until_their_ticket_is_deleted(api: RunningApi) -> None:
    ticket_id = make_ticket(api, [b"some bytes"])
    before = api.client.get("/v1/usage").json()["now"]["stored_bytes"]
    limit(api.store, api.tenant_id, stored_bytes=before + 10)

    api.client.get(f"/v1/tickets/{ticket_id}/export", params={"format": "npz"})
    with api.store.begin() as tx:
        tx.exports.finish(ticket_id, "npz", "f" * 64, 12)

    now = api.client.get("/v1/usage").json()["now"]
    assert (now["stored_bytes"], now["exported_bytes"]) == (before + 12, 12)
    assert (
        api.client.post("/v1/checkpoints", content=b"1").json()["code"] == "STORAGE_QUOTA_EXCEEDED"
    )
    assert api.stranger.get("/v1/usage").json()["now"]["exported_bytes"] == 0
    assert api.client.delete(f"/v1/tickets/{ticket_id}").status_code == 204
    assert api.client.get("/v1/usage").json()["now"]["exported_bytes"] == 0
    assert api.client.post("/v1/checkpoints", content=b"1").status_code == 202


def test_usage_adds_up(api: RunningApi) -> None:
    make_ticket(api, [b"some bytes"])
    checkpoint = upload(api.client, secrets.token_bytes(10))
    accept_checkpoint(api.store)
    for _ in range(2):
        submit(api.client, checkpoint["id"])
    finish_job(api.store, [b"more"])
    api.client.post("/v1/jobs", json=STATISTICS)

    usage = api.client.get("/v1/usage").json()

    by_kind = {line["kind"]: line for line in usage["data"]}
    constructed = by_kind["construct"]
    assert (constructed["jobs"], constructed["succeeded"], constructed["failed"]) == (3, 2, 0)
    assert 0 <= constructed["seconds"] < 600
    assert by_kind["statistics"]["jobs"] == 1
    stored = usage["now"].pop("stored_bytes")
    assert usage["now"] == {"queued_jobs": 2, "running_jobs": 0, "exported_bytes": 0}
    assert stored == 8 + 10 + len(b"some bytes") + len(b"more")
    assert usage["limits"]["queued_jobs"] == 10_000
    assert api.stranger.get("/v1/usage").json()["data"] == []
    day = {"start": "2020-01-01", "end": "2020-01-31"}
    assert api.client.get("/v1/usage", params=day).json()["data"] == []


@pytest.mark.parametrize(
    "period",
    [
        {"start": "2020-01-02", "end": "2020-01-01"},
        {"start": "2020-01-01", "end": "2022-01-01"},
        {"start": "9999-12-31", "end": "9999-12-31"},
        {"start": "yesterday"},
    ],
)
def test_a_strange_period_is_refused(api: RunningApi, period: dict[str, str]) -> None:
    answer = api.client.get("/v1/usage", params=period)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "start"
