"""Webhook endpoints over HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.running_api import RunningApi, submit, upload

URL = "https://hooks.example.com/ltforge"


def create(api: RunningApi, **fields: Any) -> dict[str, Any]:
    answer = api.client.post("/v1/webhook-endpoints", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_the_secret_is_shown_once(api: RunningApi) -> None:
    made = create(api, events=["job.*"], description="to the tracker")
    path = f"/v1/webhook-endpoints/{made['id']}"
    secret = made.pop("secret")

    assert secret.startswith("whsec_")
    assert api.client.get(path).json() == made
    assert api.client.get("/v1/webhook-endpoints").json()["data"] == [made]
    rotated = api.client.post(f"{path}/rotate-secret").json()
    assert rotated["secret"] != secret
    assert rotated["previous_secret_until"] is not None


def test_an_endpoint_is_told_in_the_format_that_it_asks_for(api: RunningApi) -> None:
    path = f"/v1/webhook-endpoints/{create(api, format='cloudevents')['id']}"

    sent = api.client.post(f"{path}/test").json()
    changed = api.client.patch(path, json={"format": "standard"}).json()

    assert sent["payload"]["specversion"] == "1.0"
    assert changed["format"] == "standard"
    assert "specversion" not in api.client.post(f"{path}/test").json()["payload"]
    assert create(api)["format"] == "standard"


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "http://hooks.example.com/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://localhost/"},
        {"url": "https://hooks.example.com:8443/"},
        {"url": "https://a:b@hooks.example.com/"},
        {"events": []},
        {"events": ["job"]},
        {"events": ["Job.Queued\n"]},
        {"events": ["(a+)+$"]},
        {"description": "two\nlines"},
        {"format": "avro"},
        {"secret": "whsec_mine"},
    ],
)
def test_w1_w3_what_is_unsafe_is_refused_when_it_is_asked_for(
    api: RunningApi, fields: dict[str, Any]
) -> None:
    refused = api.client.post("/v1/webhook-endpoints", json={"url": URL, **fields})

    assert refused.status_code == 422
    (name,) = fields
    assert refused.json()["errors"][0]["pointer"].startswith(f"/{name}")
    made = create(api)
    changed = api.client.patch(f"/v1/webhook-endpoints/{made['id']}", json=fields)
    assert changed.status_code == 422


def test_an_endpoint_changes_and_goes(api: RunningApi) -> None:
    made = create(api)
    path = f"/v1/webhook-endpoints/{made['id']}"

    changed = api.client.patch(path, json={"events": ["job.failed"], "enabled": False}).json()

    assert (changed["events"], changed["enabled"], changed["url"]) == (["job.failed"], False, URL)
    api.client.post(f"{path}/test")
    assert api.client.delete(path).status_code == 204
    assert api.client.get(path).status_code == 404
    actions = [entry["action"] for entry in api.client.get("/v1/audit-log").json()["data"]]
    assert actions == [
        "webhook_endpoint.deleted",
        "webhook_endpoint.tested",
        "webhook_endpoint.changed",
        "webhook_endpoint.created",
    ]


def test_what_happens_is_listed_as_deliveries(api: RunningApi) -> None:
    made = create(api, events=["job.canceled"])
    job = submit(api.client, upload(api.client)["id"])
    api.client.post(f"/v1/jobs/{job['id']}/cancel")
    tested = api.client.post(f"/v1/webhook-endpoints/{made['id']}/test")

    path = f"/v1/webhook-endpoints/{made['id']}/deliveries"
    page = api.client.get(path, params={"limit": 1}).json()
    rest = api.client.get(path, params={"limit": 1, "cursor": page["next_cursor"]}).json()

    assert tested.status_code == 202
    assert page["data"] == [tested.json()]
    (canceled,) = rest["data"]
    assert canceled["payload"]["type"] == canceled["event_type"] == "job.canceled"
    assert canceled["payload"]["data"] == {"id": job["id"]}
    assert (canceled["status"], canceled["attempts"]) == ("pending", [])
    replayed = api.client.post(f"/v1/webhook-deliveries/{canceled['id']}/replay")
    assert replayed.status_code == 202
    assert replayed.json()["id"] == canceled["id"]
