"""API keys over HTTP: scopes, rotation, expiry, revocation, last use, and the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, text, update

from service.domain import KeyScope
from service.settings import Settings
from service.store.schema import upgrade
from service.store.tables import ApiKeyRow
from tests.service.operations import operations_under_v1, own_ids
from tests.service.running_api import RunningApi, serve_api, submit, upload


@contextmanager
def holder(api: RunningApi, secret: str) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(
        base_url=api.client.base_url, headers=headers, timeout=60, trust_env=False
    ) as client:
        yield client


def make_key(api: RunningApi, **fields: Any) -> dict[str, Any]:
    answer = api.client.post("/v1/api-keys", json={"name": "made by a test", **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def status_with(api: RunningApi, secret: str) -> int:
    with holder(api, secret) as client:
        return client.get("/v1/me").status_code


def set_key(api: RunningApi, key_id: str, **values: Any) -> None:
    with api.store.engine.begin() as connection:
        connection.execute(update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(**values))


def test_a_secret_is_shown_once(api: RunningApi) -> None:
    made = make_key(api, scopes=["read"])

    shown = api.client.get(f"/v1/api-keys/{made['id']}").json()
    assert made.pop("secret") not in (str(shown), str(api.client.get("/v1/api-keys").json()))
    assert shown == made
    assert made["id"] in [key["id"] for key in api.client.get("/v1/api-keys").json()["data"]]


@pytest.mark.parametrize("scope", list(KeyScope))
def test_a_key_does_what_its_scope_allows_and_no_more(api: RunningApi, scope: KeyScope) -> None:
    ids = own_ids(api)
    with holder(api, make_key(api, scopes=[scope])["secret"]) as client:
        for operation in operations_under_v1(api):
            needed = KeyScope.READ if operation.method in READING else KeyScope.WRITE
            if operation.path.startswith(ADMINISTRATION):
                needed = KeyScope.ADMIN
            if list(KeyScope).index(scope) < list(KeyScope).index(needed):
                answer = operation.call(client, ids)
                assert answer.status_code == 403, operation
                if operation.method != "HEAD":
                    assert answer.json()["code"] == "SCOPE_MISSING"
            elif operation.method == "GET":
                assert operation.call(client, ids).is_success, operation


READING = ("GET", "HEAD", "OPTIONS")
ADMINISTRATION = ("/v1/api-keys", "/v1/audit-log", "/v1/webhook")


def test_a_name_is_as_long_as_every_database_takes(api: RunningApi) -> None:
    make_key(api, name="n" * 200)

    assert api.client.post("/v1/api-keys", json={"name": "n" * 201}).status_code == 422


def test_me_is_the_tenant_and_the_key(api: RunningApi) -> None:
    made = make_key(api, scopes=["write", "read"])

    with holder(api, made["secret"]) as client:
        account = client.get("/v1/me").json()

    assert account["tenant"]["id"] == api.tenant_id
    assert account["key"]["id"] == made["id"]
    assert account["key"]["scopes"] == ["read", "write"]


def test_a_rotated_key_has_two_secrets_for_a_while(api: RunningApi) -> None:
    made = make_key(api)

    rotated = api.client.post(f"/v1/api-keys/{made['id']}/rotate").json()

    assert rotated["id"] == made["id"]
    assert rotated["secret"] != made["secret"]
    assert status_with(api, made["secret"]) == status_with(api, rotated["secret"]) == 200
    again = api.client.post(f"/v1/api-keys/{made['id']}/rotate", json={"grace_seconds": 0}).json()
    statuses = [status_with(api, key["secret"]) for key in (made, rotated, again)]
    assert statuses == [401, 401, 200]


def test_a_revoked_key_opens_nothing_at_once(api: RunningApi) -> None:
    made = make_key(api)
    assert status_with(api, made["secret"]) == 200

    for _ in range(2):
        assert api.client.delete(f"/v1/api-keys/{made['id']}").status_code == 204

    assert status_with(api, made["secret"]) == 401
    assert api.client.get(f"/v1/api-keys/{made['id']}").json()["revoked_at"] is not None


def test_revocation_reaches_other_processes_within_the_time_keys_are_trusted(
    settings: Settings,
) -> None:
    untrusting = settings.model_copy(update={"key_cache_seconds": 0.0})
    with serve_api(settings) as one, serve_api(untrusting) as other:
        made = make_key(one)
        assert status_with(other, made["secret"]) == 200
        one.client.delete(f"/v1/api-keys/{made['id']}")
        assert status_with(other, made["secret"]) == 401


def test_an_expired_key_is_no_key(api: RunningApi) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    made = make_key(api, expires_at=soon)
    assert status_with(api, made["secret"]) == 200

    past = "2020-01-01T00:00:00Z"
    api.client.patch(f"/v1/api-keys/{made['id']}", json={"expires_at": past})

    assert status_with(api, made["secret"]) == 401
    api.client.patch(f"/v1/api-keys/{made['id']}", json={"expires_at": None})
    assert status_with(api, made["secret"]) == 200


def test_a_change_changes_only_what_it_names(api: RunningApi) -> None:
    made = make_key(api, scopes=["read"], expires_at="2999-01-01T00:00:00+02:00")

    changed = api.client.patch(f"/v1/api-keys/{made['id']}", json={"name": "new"}).json()

    assert changed["expires_at"] == "2998-12-31T22:00:00Z"
    assert (changed["name"], changed["scopes"]) == ("new", ["read"])
    wrong = api.client.patch(f"/v1/api-keys/{made['id']}", json={"scopes": ["root"]})
    assert wrong.status_code == 422


def test_the_last_use_is_noted_to_the_minute(api: RunningApi) -> None:
    made = make_key(api)
    assert made["last_used_at"] is None

    status_with(api, made["secret"])

    first = api.client.get(f"/v1/api-keys/{made['id']}").json()["last_used_at"]
    assert first is not None
    set_key(api, made["id"], last_used_at=datetime(2020, 1, 1, tzinfo=UTC))
    api.client.patch(f"/v1/api-keys/{made['id']}", json={"name": "forget what is remembered"})
    status_with(api, made["secret"])
    assert api.client.get(f"/v1/api-keys/{made['id']}").json()["last_used_at"] >= first


def test_the_audit_log_says_who_did_what(api: RunningApi) -> None:
    made = make_key(api, scopes=["write"])
    with holder(api, made["secret"]) as client:
        job = submit(client, upload(client)["id"])
        client.post(f"/v1/jobs/{job['id']}/cancel", headers={"X-Request-ID": "why-not"})
    api.client.post(f"/v1/api-keys/{made['id']}/rotate")

    entries = api.client.get("/v1/audit-log").json()["data"]

    assert [entry["action"] for entry in entries] == [
        "api_key.rotated",
        "job.canceled",
        "job.queued",
        "checkpoint.validating",
        "api_key.created",
    ]
    assert {entry["key_id"] for entry in entries[1:4]} == {made["id"]}
    assert entries[1]["request_id"] == "why-not"
    about_key = api.client.get("/v1/audit-log", params={"subject_id": made["id"]}).json()["data"]
    assert about_key == [entries[0], entries[4]]
    by_key = api.client.get("/v1/audit-log", params={"key_id": made["id"]}).json()["data"]
    assert by_key == entries[1:4]
    assert api.stranger.get("/v1/audit-log").json()["data"] == []


def test_what_changes_nothing_leaves_no_entry(api: RunningApi) -> None:
    finished = own_ids(api)["job_id"]

    assert api.client.post(f"/v1/jobs/{finished}/cancel").status_code == 200

    about = api.client.get("/v1/audit-log", params={"subject_id": finished}).json()["data"]
    assert [entry["action"] for entry in about] == ["job.queued"]


def test_keys_of_databases_from_before_scopes_can_do_everything(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.sqlite"
    upgrade(url, "0001")
    engine = create_engine(url)
    with engine.begin() as connection:
        moment = "2026-01-01 00:00:00.000000"
        connection.execute(
            text("INSERT INTO tenants (id, name, created_at) VALUES ('ten_x', 'old', :at)"),
            {"at": moment},
        )
        connection.execute(
            text(
                "INSERT INTO api_keys (id, tenant_id, name, secret_hash, created_at) "
                "VALUES ('key_x', 'ten_x', 'old', 'h', :at)"
            ),
            {"at": moment},
        )
    engine.dispose()
    upgrade(url)

    with (
        serve_api(Settings(data=tmp_path / "data", database_url=url)) as api,
        api.store.read() as tx,
    ):
        assert tx.keys.get("ten_x", "key_x").scopes == tuple(KeyScope)
