"""Messages go out signed, come again when they fail, and stop when nobody wants them: case W4."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from service.domain import DeliveryStatus, JobKind, JobRequest, WebhookDelivery
from service.domain.webhooks import RETRY_SECONDS, retry_delay, wants
from service.settings import Settings
from service.store import Store
from service.store.tables import WebhookDeliveryRow, WebhookEndpointRow
from tests.worker.webhook_receiver import Received, receiver, status
from worker.webhook_sender import WebhookSender
from worker.webhook_signature import signed_headers


@pytest.fixture
def sender(settings: Settings, store: Store) -> Iterator[WebhookSender]:
    permissive = settings.model_copy(update={"webhook_development": True, "webhook_seconds": 5.0})
    made = WebhookSender(permissive, store)
    yield made
    made.close()


@pytest.fixture
def tenant_id(store: Store) -> str:
    with store.begin() as tx:
        return tx.keys.ensure_default_tenant()


def listen(store: Store, tenant_id: str, url: str, *events: str) -> tuple[str, str]:
    with store.begin() as tx:
        endpoint, secret = tx.webhook_endpoints.add(tenant_id, url, events or ("*",), "")
    return endpoint.id, secret


def happen(store: Store, tenant_id: str) -> str:
    """Something that is told: a statistics job is submitted."""
    with store.begin() as tx:
        return tx.jobs.add(tenant_id, JobRequest(JobKind.STATISTICS, {})).id


def happen_and_fail(store: Store, tenant_id: str) -> None:
    """The same, in a transaction that is rolled back."""
    with store.begin() as tx:
        tx.jobs.add(tenant_id, JobRequest(JobKind.STATISTICS, {}))
        raise ZeroDivisionError


def send_all(sender: WebhookSender) -> None:
    while sender.round():
        sender.drain()


def make_due(store: Store) -> None:
    with store.engine.begin() as connection:
        row = WebhookDeliveryRow
        connection.execute(update(row).values(due_at=row.created_at))


def deliveries(store: Store, tenant_id: str, endpoint_id: str) -> list[WebhookDelivery]:
    with store.read() as tx:
        return tx.webhook_deliveries.list(tenant_id, endpoint_id, 100)


def verified(secret: str, request: Received) -> Any:
    return Webhook(secret).verify(request.body, request.headers)


def test_a_message_is_committed_with_its_event_and_verified_by_the_standards_library(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver() as here:
        endpoint_id, secret = listen(store, tenant_id, here.url)
        with pytest.raises(ZeroDivisionError):
            happen_and_fail(store, tenant_id)
        job_id = happen(store, tenant_id)
        send_all(sender)

        (request,) = here.received
        message = verified(secret, request)
        assert message["type"] == "job.queued"
        assert message["data"]["id"] == job_id
        (delivery,) = deliveries(store, tenant_id, endpoint_id)
        assert delivery.status is DeliveryStatus.DELIVERED
        assert request.headers["webhook-id"] == delivery.id
        assert json.loads(delivery.body) == message
        assert [attempt["code"] for attempt in delivery.attempts] == [204]


def test_a_cloud_event_is_one_to_the_cloudevents_library_and_signed_like_every_message(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver(status(500), status(204)) as here:
        endpoint_id, secret = listen(store, tenant_id, here.url)
        with store.begin() as tx:
            tx.webhook_endpoints.change(tenant_id, endpoint_id, {"format": "cloudevents"})
        job_id = happen(store, tenant_id)
        send_all(sender)
        make_due(store)
        # What is under way keeps its form.
        with store.begin() as tx:
            tx.webhook_endpoints.change(tenant_id, endpoint_id, {"format": "standard"})
        send_all(sender)
        (delivery,) = deliveries(store, tenant_id, endpoint_id)

        for request in here.received:
            verified(secret, request)
            assert request.headers["content-type"] == "application/cloudevents+json"
            event = from_http_event(HTTPMessage(dict(request.headers), request.body))
            assert event.get_attributes() == {
                "specversion": "1.0",
                "id": delivery.id,
                "source": f"urn:ltforge:{tenant_id}",
                "type": "ltforge.job.queued",
                "subject": job_id,
                "time": delivery.created_at,
                "datacontenttype": "application/json",
            }
            data = event.get_data()
            assert isinstance(data, dict)
            assert data["id"] == job_id
        assert len(here.received) == 2


def test_a_test_message_has_the_endpoints_format(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver() as here:
        endpoint_id, _ = listen(store, tenant_id, here.url)
        with store.begin() as tx:
            tx.webhook_endpoints.change(tenant_id, endpoint_id, {"format": "cloudevents"})
            tx.webhook_deliveries.test(tenant_id, endpoint_id)
        send_all(sender)

        (request,) = here.received
        event = from_http_event(HTTPMessage(dict(request.headers), request.body))
        assert (event.get_type(), event.get_subject()) == ("ltforge.webhook.test", endpoint_id)


def test_a_failed_message_comes_again_under_the_same_id(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver(status(500), status(302, Location="/"), status(200)) as here:
        endpoint_id, secret = listen(store, tenant_id, here.url)
        happen(store, tenant_id)
        for _ in range(3):
            send_all(sender)
            make_due(store)

        assert len({request.headers["webhook-id"] for request in here.received}) == 1
        assert [verified(secret, request)["type"] for request in here.received] == [
            "job.queued"
        ] * 3
        (delivery,) = deliveries(store, tenant_id, endpoint_id)
        assert [attempt["code"] for attempt in delivery.attempts] == [500, 302, 200]
        assert delivery.status is DeliveryStatus.DELIVERED


def test_the_receivers_patience_is_heeded(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver(status(429, Retry_After="3600")) as here:
        endpoint_id, _ = listen(store, tenant_id, here.url)
        happen(store, tenant_id)
        send_all(sender)

        (delivery,) = deliveries(store, tenant_id, endpoint_id)
        assert delivery.due_at - delivery.created_at >= timedelta(seconds=3600)


def test_after_the_last_retry_a_message_has_failed_and_can_be_replayed(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    failures = len(RETRY_SECONDS) + 1
    with receiver(*[status(503)] * failures, status(204)) as here:
        endpoint_id, _ = listen(store, tenant_id, here.url)
        happen(store, tenant_id)
        for _ in range(failures + 2):
            send_all(sender)
            make_due(store)

        (delivery,) = deliveries(store, tenant_id, endpoint_id)
        assert (delivery.status, len(here.received)) == (DeliveryStatus.FAILED, failures)

        with store.begin() as tx:
            tx.webhook_deliveries.replay(tenant_id, delivery.id)
        send_all(sender)

        (delivery,) = deliveries(store, tenant_id, endpoint_id)
        assert (delivery.status, len(delivery.attempts)) == (DeliveryStatus.DELIVERED, failures + 1)
        assert len({request.headers["webhook-id"] for request in here.received}) == 1


def test_an_endpoint_that_is_gone_or_only_fails_for_days_is_disabled(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver(status(410)) as gone, receiver(status(500)) as failing:
        gone_id, _ = listen(store, tenant_id, gone.url)
        failing_id, _ = listen(store, tenant_id, failing.url)
        happen(store, tenant_id)
        send_all(sender)
        with store.read() as tx:
            since = tx.webhook_endpoints.get(tenant_id, failing_id).failing_since
        assert since is not None
        with store.engine.begin() as connection:
            row = WebhookEndpointRow
            connection.execute(
                update(row).where(row.id == failing_id).values(failing_since=since - timedelta(6))
            )
        make_due(store)
        send_all(sender)
        happen(store, tenant_id)
        send_all(sender)

        with store.read() as tx:
            found = [tx.webhook_endpoints.get(tenant_id, one) for one in (gone_id, failing_id)]
        assert [(one.enabled, one.disabled_reason) for one in found] == [
            (False, "GONE"),
            (False, "FAILING"),
        ]
        assert (len(gone.received), len(failing.received)) == (1, 2)
        with store.begin() as tx:
            again = tx.webhook_endpoints.change(tenant_id, failing_id, {"enabled": True})
        assert (again.enabled, again.failing_since) == (True, None)


def test_two_senders_send_each_message_once(
    settings: Settings, store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    permissive = settings.model_copy(update={"webhook_development": True})
    other = WebhookSender(permissive, store)
    with receiver() as here:
        listen(store, tenant_id, here.url)
        for _ in range(10):
            happen(store, tenant_id)
        while sender.round() + other.round():
            sender.drain()
            other.drain()
        other.close()

        assert len({request.headers["webhook-id"] for request in here.received}) == 10
        assert len(here.received) == 10


def test_a_message_whose_sender_died_is_sent_by_another(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver() as here:
        listen(store, tenant_id, here.url)
        happen(store, tenant_id)
        with store.begin() as tx:
            (lost,) = tx.webhook_deliveries.claim(10, -1.0)
        send_all(sender)

        assert [request.headers["webhook-id"] for request in here.received] == [lost.id]


def test_one_hanging_endpoint_does_not_take_all_senders(store: Store, tenant_id: str) -> None:
    listen(store, tenant_id, "https://slow.example.com/")
    for _ in range(10):
        happen(store, tenant_id)
    with store.begin() as tx:
        assert len(tx.webhook_deliveries.claim(4, 60)) == 4
    listen(store, tenant_id, "https://quick.example.com/")
    happen(store, tenant_id)

    with store.begin() as tx:
        (claimed,) = tx.webhook_deliveries.claim(4, 60)

    assert claimed.url == "https://quick.example.com/"


def test_tenants_are_told_of_their_own_events_alone(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with store.begin() as tx:
        stranger = tx.keys.ensure_tenant("stranger")
    with receiver() as here:
        listen(store, stranger, here.url)
        happen(store, tenant_id)
        send_all(sender)

        assert here.received == []


# W4


def test_w4_while_rotating_both_secrets_verify_and_later_only_the_new_one(
    store: Store, sender: WebhookSender, tenant_id: str
) -> None:
    with receiver() as here:
        endpoint_id, old = listen(store, tenant_id, here.url)
        with store.begin() as tx:
            _, new = tx.webhook_endpoints.rotate_secret(tenant_id, endpoint_id, 60)
        happen(store, tenant_id)
        send_all(sender)
        with store.begin() as tx:
            _, newest = tx.webhook_endpoints.rotate_secret(tenant_id, endpoint_id, 0)
        happen(store, tenant_id)
        send_all(sender)

        during, after = here.received
        assert verified(old, during) == verified(new, during)
        assert len(during.headers["webhook-signature"].split()) == 2
        assert verified(newest, after)
        with pytest.raises(WebhookVerificationError):
            verified(new, after)


def test_w4_a_replayed_or_forged_message_does_not_verify() -> None:
    secret = "whsec_" + base64.b64encode(b"k" * 32).decode()

    def refused(headers: dict[str, str], body: bytes = b"{}") -> bool:
        try:
            Webhook(secret).verify(body, headers)
        except WebhookVerificationError:
            return True
        return False

    now = int(time())
    good = signed_headers("whd_1", now, b"{}", [secret])
    assert not refused(good)
    assert refused(signed_headers("whd_1", now - 301, b"{}", [secret]))
    assert refused(signed_headers("whd_1", now + 301, b"{}", [secret]))
    assert refused(good, b"{} ")
    assert refused({**good, "webhook-id": "whd_2"})
    assert refused({**good, "webhook-timestamp": str(now - 1)})
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    assert refused(signed_headers("whd_1", now, b"{}", [other]))


@given(st.binary(min_size=24, max_size=64), st.binary(), st.integers(0, 2**33))
def test_w4_signatures_are_the_standards(key: bytes, body: bytes, timestamp: int) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    text = body.hex()
    ours = signed_headers("whd_1", timestamp, text.encode(), [secret])["webhook-signature"]
    moment = datetime.fromtimestamp(timestamp, UTC)

    assert ours == Webhook(secret).sign("whd_1", moment, text)


def test_w4_ids_hold_no_separator(store: Store, tenant_id: str) -> None:
    endpoint_id, _ = listen(store, tenant_id, "https://hooks.example.com/")
    happen(store, tenant_id)

    (delivery,) = deliveries(store, tenant_id, endpoint_id)

    assert "." not in delivery.id


def test_the_schedule_spreads_retries_and_ends() -> None:
    assert [retry_delay(tries, None, 0.0) for tries in range(1, 10)] == list(RETRY_SECONDS)
    assert retry_delay(10, None, 0.0) is None
    assert RETRY_SECONDS[0] < (retry_delay(1, None, 0.99) or 0) < RETRY_SECONDS[0] * 1.2
    assert retry_delay(1, 120.0, 0.5) == 120.0
    assert retry_delay(1, 10.0**9, 0.5) == RETRY_SECONDS[-1]


def test_filters_say_what_is_told() -> None:
    assert wants(["*"], "job.queued")
    assert wants(["job.*"], "job.queued")
    assert wants(["job.queued", "ticket.created"], "ticket.created")
    assert not wants(["job.succeeded"], "job.queued")
    assert not wants(["checkpoint.*"], "job.queued")
    assert not wants(["*", "job.*"], "job.progress")
    assert wants(["job.progress"], "job.progress")
