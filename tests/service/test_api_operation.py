"""Operating the service: metrics, probes, headers."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from service.settings import Settings
from service.store.schema import downgrade, upgrade
from tests.service.running_api import RunningApi, make_ticket, serve_api, submit, upload


def samples(answer: httpx.Response) -> dict[str, float]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found = {}
    for line in answer.text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            assert re.fullmatch(r'\w+(\{(\w+="[^"]*",?)+\})?', name), line
            found[name] = float(value)
    return found


def test_metrics_count_what_the_database_holds(settings: Settings) -> None:
    with serve_api(settings.model_copy(update={"metrics_token": SecretStr("s3cret")})) as api:
        make_ticket(api, [b"some bytes"])
        submit(api.client, upload(api.client, b"other")["id"])
        upload(api.stranger, b"theirs")
        scraper = {"Authorization": "Bearer s3cret"}

        whole = samples(api.client.get("/metrics", headers=scraper))
        own = samples(api.client.get("/metrics"))
        theirs = samples(api.stranger.get("/metrics"))

        assert own['ltforge_jobs{kind="construct",status="succeeded"}'] == 1
        assert own['ltforge_jobs{kind="construct",status="queued"}'] == 1
        assert own["ltforge_queue_age_seconds"] >= 0
        assert own['ltforge_job_duration_seconds_bucket{kind="construct",le="+Inf"}'] == 1
        assert own['ltforge_job_duration_seconds_count{kind="construct"}'] == 1
        assert own["ltforge_ticket_bytes"] == 10
        assert own['ltforge_uploads{kind="checkpoint",status="validating"}'] == 1
        assert whole['ltforge_uploads{kind="checkpoint",status="validating"}'] == 2
        assert theirs["ltforge_tickets"] == 0
        assert theirs["ltforge_upload_bytes"] == 6
        assert whole["ltforge_upload_bytes"] == own["ltforge_upload_bytes"] + 6


def test_metrics_are_for_admins_and_the_operator(api: RunningApi) -> None:
    reader = api.client.post("/v1/api-keys", json={"name": "r", "scopes": ["write"]}).json()

    for header, status in ((reader["secret"], 403), ("x", 401), ("s3cret", 401)):
        answer = api.client.get("/metrics", headers={"Authorization": f"Bearer {header}"})
        assert answer.status_code == status


def test_once_started_always_started(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.sqlite"
    upgrade(url)
    with serve_api(Settings(data=tmp_path / "data", database_url=url)) as api:
        downgrade(url, "base")
        waiting = api.client.get("/startupz")
        upgrade(url)
        started = api.client.get("/startupz")
        downgrade(url, "base")
        later = api.client.get("/startupz")

        assert (waiting.status_code, waiting.json()["status"]) == (503, "starting")
        assert (started.status_code, started.json()["status"]) == (200, "started")
        assert later.status_code == 200
        assert api.client.get("/readyz").status_code == 503


@pytest.mark.parametrize("path", ["/livez", "/v1/jobs", "/v1/jobs/job_nobody", "/nowhere"])
def test_l2_every_answer_has_the_headers_that_keep_browsers_safe(
    api: RunningApi, path: str
) -> None:
    headers = api.client.get(path, headers={"Origin": "https://evil.example"}).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers
    assert "Strict-Transport-Security" not in headers


def test_over_https_browsers_are_told_to_stay_there(api: RunningApi) -> None:
    # As the proxy before the service says it, which uvicorn believes from this machine.
    answer = api.client.get("/livez", headers={"X-Forwarded-Proto": "https"})

    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")


def test_origins_that_are_configured_may_call(settings: Settings) -> None:
    allowing = settings.model_copy(update={"cors_origins": ("https://ui.example",)})
    with serve_api(allowing) as api:
        for origin, allowed in (("https://ui.example", True), ("https://evil.example", False)):
            headers = api.client.get("/livez", headers={"Origin": origin}).headers
            assert ("Access-Control-Allow-Origin" in headers) == allowed
