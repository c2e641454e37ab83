"""Webhooks: who is told of what happens. Sending is the housekeeper's business."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.domain import WebhookDelivery, WebhookEndpoint, WebhookFormat
from service.domain.webhook_urls import why_not
from service.errors import InvalidRequest
from service.store import Store
from service.usecases.pages import Page, cut_page


@dataclass(frozen=True, slots=True)
class SignedEndpoint:
    """An endpoint and its secret, which is shown once."""

    endpoint: WebhookEndpoint
    secret: str


def check_url(url: str, *, development: bool) -> None:
    """Raise InvalidRequest unless webhooks may be sent to this URL."""
    reason = why_not(url, development=development)
    if reason is not None:
        problem = {"pointer": "/url", "code": "URL_NOT_ALLOWED", "detail": reason}
        raise InvalidRequest(f"/url: {reason}", [problem])


def create_endpoint(
    store: Store,
    tenant_id: str,
    url: str,
    events: Sequence[str],
    description: str,
    form: WebhookFormat,
) -> SignedEndpoint:
    """A new endpoint of the tenant."""
    with store.begin() as tx:
        return SignedEndpoint(*tx.webhook_endpoints.add(tenant_id, url, events, description, form))


def get_endpoint(store: Store, tenant_id: str, endpoint_id: str) -> WebhookEndpoint:
    """One endpoint of the tenant; raises NotFound."""
    with store.read() as tx:
        return tx.webhook_endpoints.get(tenant_id, endpoint_id)


def list_endpoints(
    store: Store, tenant_id: str, limit: int, after: str | None
) -> Page[WebhookEndpoint]:
    """A page of the tenant's endpoints, newest first."""
    with store.read() as tx:
        return cut_page(tx.webhook_endpoints.list(tenant_id, limit + 1, after), limit)


def change_endpoint(
    store: Store, tenant_id: str, endpoint_id: str, changes: dict[str, Any]
) -> WebhookEndpoint:
    """Set an endpoint's URL, events, format, description, or whether it is told anything."""
    with store.begin() as tx:
        return tx.webhook_endpoints.change(tenant_id, endpoint_id, changes)


def rotate_secret(
    store: Store, tenant_id: str, endpoint_id: str, grace_seconds: float
) -> SignedEndpoint:
    """A new secret; the one before signs too for the grace period. Raises NotFound."""
    with store.begin() as tx:
        return SignedEndpoint(
            *tx.webhook_endpoints.rotate_secret(tenant_id, endpoint_id, grace_seconds)
        )


def delete_endpoint(store: Store, tenant_id: str, endpoint_id: str) -> None:
    """Forget an endpoint and its deliveries; raises NotFound."""
    with store.begin() as tx:
        tx.webhook_endpoints.remove(tenant_id, endpoint_id)


def send_test(store: Store, tenant_id: str, endpoint_id: str) -> WebhookDelivery:
    """Queue a message that says nothing; raises NotFound."""
    with store.begin() as tx:
        return tx.webhook_deliveries.test(tenant_id, endpoint_id)


def list_deliveries(
    store: Store, tenant_id: str, endpoint_id: str, limit: int, after: str | None
) -> Page[WebhookDelivery]:
    """A page of an endpoint's deliveries, newest first; raises NotFound."""
    with store.read() as tx:
        found = tx.webhook_deliveries.list(tenant_id, endpoint_id, limit + 1, after)
        return cut_page(found, limit)


def replay_delivery(store: Store, tenant_id: str, delivery_id: str) -> WebhookDelivery:
    """Send a message again; raises NotFound."""
    with store.begin() as tx:
        return tx.webhook_deliveries.replay(tenant_id, delivery_id)
