"""Webhooks: addresses that are told of events, and the messages to them."""

from __future__ import annotations

from collections.abc import Sequence

from ltforge.account_records import NewWebhookEndpoint, WebhookDelivery, WebhookEndpoint
from ltforge.calls import Identified, address, create, delete, get, pages, patch, post
from ltforge.exchange import Flow, Stream
from ltforge.retrying import Repeat

ENDPOINTS = "/v1/webhook-endpoints"
DELIVERIES = "/v1/webhook-deliveries"
_ONCE = Repeat.ONLY_IF_NOTHING_HAPPENED


def create_webhook_endpoint(
    url: str,
    events: Sequence[str] | None = None,
    description: str = "",
    form: str | None = None,
) -> Flow[NewWebhookEndpoint]:
    """Have an address told of events; the ``secret`` that signs them is shown this once.

    Args:
        url: an https address that the public internet can reach.
        events: kinds of events, for example job.succeeded; all by default.
        description: for people.
        form: of the messages, "standard" (the default) or "cloudevents".
    """
    asked: dict[str, object] = {"url": url, "description": description}
    if form is not None:
        asked["format"] = form
    if events is not None:
        asked["events"] = list(events)
    return (yield from create(NewWebhookEndpoint, ENDPOINTS, asked, kept=False))


def list_webhook_endpoints(*, page_size: int = 50) -> Stream[WebhookEndpoint]:
    """The tenant's endpoints, newest first."""
    yield from pages(WebhookEndpoint, ENDPOINTS, {}, page_size)


def get_webhook_endpoint(endpoint: Identified | str) -> Flow[WebhookEndpoint]:
    """One endpoint."""
    return (yield from get(WebhookEndpoint, address(ENDPOINTS, endpoint)))


def change_webhook_endpoint(
    endpoint: Identified | str,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    description: str | None = None,
    form: str | None = None,
    enabled: bool | None = None,
) -> Flow[WebhookEndpoint]:
    """Change an endpoint; what is None stays as it is."""
    changes = {
        "url": url,
        "events": None if events is None else list(events),
        "description": description,
        "format": form,
        "enabled": enabled,
    }
    asked = {field: value for field, value in changes.items() if value is not None}
    return (yield from patch(WebhookEndpoint, address(ENDPOINTS, endpoint), asked))


def delete_webhook_endpoint(endpoint: Identified | str) -> Flow[None]:
    """Tell an endpoint nothing any more."""
    yield from delete(address(ENDPOINTS, endpoint))


def test_webhook_endpoint(endpoint: Identified | str) -> Flow[WebhookDelivery]:
    """Send an endpoint a message to try it out."""
    path = address(ENDPOINTS, endpoint, "test")
    return (yield from post(WebhookDelivery, path, repeat=_ONCE))


def rotate_webhook_secret(
    endpoint: Identified | str, grace_seconds: int | None = None
) -> Flow[NewWebhookEndpoint]:
    """Sign with a new secret; both sign during the grace period."""
    asked = None if grace_seconds is None else {"grace_seconds": grace_seconds}
    path = address(ENDPOINTS, endpoint, "rotate-secret")
    return (yield from post(NewWebhookEndpoint, path, asked, repeat=_ONCE))


def list_webhook_deliveries(
    endpoint: Identified | str, *, page_size: int = 50
) -> Stream[WebhookDelivery]:
    """An endpoint's messages, newest first."""
    path = address(ENDPOINTS, endpoint, "deliveries")
    yield from pages(WebhookDelivery, path, {}, page_size)


def replay_webhook_delivery(delivery: Identified | str) -> Flow[WebhookDelivery]:
    """Send a message again."""
    path = address(DELIVERIES, delivery, "replay")
    return (yield from post(WebhookDelivery, path, repeat=_ONCE))
