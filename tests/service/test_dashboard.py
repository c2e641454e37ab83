"""The dashboard's pages over HTTP: who gets in, what forms need, what pages say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from service.dashboard.sessions import LIFETIME_SECONDS, Session, SessionSigner
from service.domain import KeyScope
from tests.service.running_api import RunningApi, make_ticket, submit, upload

PAGES = ("/",)


def browser(api: RunningApi) -> httpx.Client:
    return httpx.Client(base_url=api.client.base_url, trust_env=False, timeout=60)


def sign_in(browsing: httpx.Client, key: str, **fields: str) -> httpx.Response:
    return browsing.post("/sign-in", data={"key": key, **fields})


@pytest.fixture
def visiting(api: RunningApi) -> Iterator[httpx.Client]:
    """Somebody who signed in with our tenant's key."""
    with browser(api) as browsing:
        assert sign_in(browsing, api.key).status_code == 303
        yield browsing


def form_token(page: httpx.Response) -> str:
    found = re.search(r'name="form_token" value="([0-9a-f]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def test_without_a_session_every_page_leads_to_the_sign_in_page(api: RunningApi) -> None:
    with browser(api) as browsing:
        assert browsing.get("/").headers["Location"] == "/sign-in"
        asked = browsing.get("/jobs/job_x?a=1")
        assert asked.status_code == 303
        assert asked.headers["Location"] == "/sign-in?next=/jobs/job_x%3Fa%3D1"
        assert "API key" in browsing.get("/sign-in").text


def test_a_key_opens_a_session_whose_cookie_holds_no_key(api: RunningApi) -> None:
    with browser(api) as browsing:
        answer = sign_in(browsing, f" {api.key} ", next="/?status=running")
        cookie = answer.headers["Set-Cookie"]

        assert answer.headers["Location"] == "/?status=running"
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert api.key.rpartition("_")[2] not in cookie
        assert f"Max-Age={LIFETIME_SECONDS}" in cookie
        assert "Jobs" in browsing.get("/").text
        assert not any(api.key in str(entry) for entry in api.logs)


@pytest.mark.parametrize("key", ["", "ltf_", "ltf_a_b", "x" * 200, "ltf_é_é"])
def test_a_wrong_key_opens_nothing(api: RunningApi, key: str) -> None:
    with browser(api) as browsing:
        answer = sign_in(browsing, key)

        assert answer.status_code == 401
        assert "Set-Cookie" not in answer.headers
        assert "was revoked, or has expired" in answer.text


@pytest.mark.parametrize("away", ["https://elsewhere.org", "//elsewhere.org", "/\\elsewhere", "x"])
def test_signing_in_leads_nowhere_else(api: RunningApi, away: str) -> None:
    with browser(api) as browsing:
        assert sign_in(browsing, api.key, next=away).headers["Location"] == "/"


def test_a_session_ends_with_its_key_and_by_signing_out(
    api: RunningApi, visiting: httpx.Client
) -> None:
    with api.store.begin() as tx:
        made, text = tx.keys.add(api.tenant_id, "short-lived")
    with browser(api) as other:
        sign_in(other, text)
        assert other.get("/").status_code == 200
        with api.store.begin() as tx:
            tx.keys.rotate(api.tenant_id, made.id, grace_seconds=0)
        assert other.get("/").headers["Location"] == "/sign-in"

    kept = dict(visiting.cookies)
    assert visiting.post("/sign-out").headers["Location"] == "/sign-in"
    assert visiting.get("/").status_code == 303
    visiting.cookies.update(kept)
    with api.store.begin() as tx:
        listed = tx.keys.list(api.tenant_id, 10)
        for key in listed:
            tx.keys.revoke(api.tenant_id, key.id)
    assert visiting.get("/").status_code == 303


def test_a_forged_or_old_cookie_is_none(api: RunningApi, visiting: httpx.Client) -> None:
    name, cookie = next(iter(visiting.cookies.items()))
    for forged in (cookie[:-4] + "AAAA", "", "x", cookie[::-1], "é"):
        with browser(api) as other:
            header = {b"Cookie": f"{name}={forged}".encode()}
            assert other.get("/", headers=header).status_code == 303


def test_a_session_lasts_so_long_and_no_longer() -> None:
    signer = SessionSigner(b"secret")
    session = Session.begin("key_a", "proof")
    over = Session("key_a", "proof", session.ends - LIFETIME_SECONDS - 1, "nonce")

    assert signer.read(signer.write(session)) == session
    assert signer.read(signer.write(over)) is None
    assert SessionSigner(b"other").read(signer.write(session)) is None
    assert timedelta(seconds=LIFETIME_SECONDS) <= timedelta(days=1)


def test_pages_forbid_inline_scripts_and_are_kept_by_nobody(visiting: httpx.Client) -> None:
    for path in ("/", "/sign-in", "/jobs/job_x"):
        answer = visiting.get(path)
        policy = answer.headers["Content-Security-Policy"]

        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.text)


def test_static_files_are_kept_for_ever_by_their_version(visiting: httpx.Client) -> None:
    files = re.findall(r'"(/static/[^"]+)"', visiting.get("/").text)
    assert len(files) == 5
    for file in files:
        answer = visiting.get(file)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert visiting.get("/static/../pages.py").status_code == 404
    assert visiting.get("/static/none.js").status_code == 404


def test_the_list_shows_jobs_and_filters_them(api: RunningApi, visiting: httpx.Client) -> None:
    assert "Nothing was asked for yet" in visiting.get("/").text
    checkpoint = upload(api.client, name="<b>lenet</b>")
    job = submit(api.client, checkpoint["id"], labels={"team": "a"})
    everything = visiting.get("/").text

    assert "&lt;b&gt;lenet&lt;/b&gt;" in everything
    assert "<b>lenet" not in everything
    assert f"/jobs/{job['id']}" in everything
    for query, shown in (
        ("status=queued", True),
        ("status=failed", False),
        ("kind=construct&label=team%3Da", True),
        ("label=team%3Db", False),
        ("status=nonsense", True),
    ):
        assert (f"/jobs/{job['id']}" in visiting.get(f"/?{query}").text) is shown, query


def test_a_long_list_has_pages(api: RunningApi, visiting: httpx.Client) -> None:
    checkpoint = upload(api.client)
    ids = [submit(api.client, checkpoint["id"])["id"] for _ in range(26)]
    first = visiting.get("/").text
    older = re.search(r'href="([^"]+)">Older', first)
    assert older is not None
    second = visiting.get(older[1].replace("&amp;", "&")).text

    assert ids[0] not in first
    assert ids[0] in second
    assert ids[1] in first


def test_a_job_is_watched_canceled_and_submitted_again(
    api: RunningApi, visiting: httpx.Client
) -> None:
    checkpoint = upload(api.client)
    job = submit(api.client, checkpoint["id"])
    shown = visiting.get(f"/jobs/{job['id']}")
    assert 'hx-trigger="every' in shown.text
    token = {"form_token": form_token(shown)}

    canceled = visiting.post(f"/jobs/{job['id']}/cancel", data=token, follow_redirects=True)
    assert "canceled" in canceled.text
    assert 'hx-trigger="every' not in canceled.text

    again = visiting.post(f"/jobs/{job['id']}/retry", data=token)
    new = api.client.get("/v1" + again.headers["Location"]).json()
    assert new["retry_of"] == job["id"]


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({}, "0" * 64),
        ({"Origin": "https://elsewhere.org"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, None),
    ],
)
def test_forms_of_other_pages_change_nothing(
    api: RunningApi, visiting: httpx.Client, headers: dict[str, str], token: str | None
) -> None:
    job = submit(api.client, upload(api.client)["id"])
    own = form_token(visiting.get(f"/jobs/{job['id']}"))
    fields = {"form_token": own if token is None else token}

    refused = visiting.post(f"/jobs/{job['id']}/cancel", data=fields, headers=headers)

    assert refused.status_code == 403
    assert "not one of this session" in refused.text
    assert api.client.get(f"/v1/jobs/{job['id']}").json()["status"] == "queued"


def test_a_key_that_may_only_look_is_shown_no_forms(api: RunningApi) -> None:
    job = submit(api.client, upload(api.client)["id"])
    with api.store.begin() as tx:
        _, text = tx.keys.add(api.tenant_id, "looks", [KeyScope.READ])
    with browser(api) as looking:
        sign_in(looking, text)
        shown = looking.get(f"/jobs/{job['id']}").text
        assert "Cancel the job" not in shown
        assert "New ticket" not in shown
        refused = looking.post(f"/jobs/{job['id']}/cancel", data={"form_token": "x"})
        assert refused.status_code == 403
    assert api.client.get(f"/v1/jobs/{job['id']}").json()["status"] == "queued"


def test_what_another_tenant_has_is_not_there(api: RunningApi, visiting: httpx.Client) -> None:
    foreign = submit(api.stranger, upload(api.stranger)["id"])

    for path in (f"/jobs/{foreign['id']}", f"/jobs/{foreign['id']}/live"):
        answer = visiting.get(path)
        assert answer.status_code == 404
        assert "There is no job" in answer.text
    assert foreign["id"] not in visiting.get("/").text


def test_a_finished_job_leads_to_its_ticket(api: RunningApi, visiting: httpx.Client) -> None:
    ticket_id = make_ticket(api, [b"bytes"])
    job_id = api.client.get(f"/v1/tickets/{ticket_id}").json()["job_id"]

    assert f'href="/tickets/{ticket_id}"' in visiting.get(f"/jobs/{job_id}").text


def test_a_page_whose_session_ends_leads_back_to_itself(api: RunningApi) -> None:
    job = submit(api.client, upload(api.client)["id"])
    with browser(api) as looking:
        part = {"HX-Request": "true", "HX-Current-URL": f"http://here/jobs/{job['id']}?a=b"}
        polled = looking.get(f"/jobs/{job['id']}/live", headers=part)
        assert polled.headers["HX-Redirect"] == f"/sign-in?next=/jobs/{job['id']}%3Fa%3Db"
        sent = looking.post("/files/checkpoints", content=b"x", headers={"Accept": "text/plain"})
        assert (sent.status_code, sent.text[:20]) == (401, "The session is over.")
