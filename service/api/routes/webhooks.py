"""Webhooks: endpoints, their secrets, and what was sent to them."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Response

from service.api.bounded_body import BoundedRoute
from service.api.deps import (
    Administrator,
    PageDep,
    PartsDep,
    WebhookDeliveryId,
    WebhookEndpointId,
)
from service.api.refusals import InvalidCursor
from service.api.responses import LOCATION, body, problems
from service.api.routes.pages import send_page
from service.api.schemas import (
    NewWebhookEndpointResource,
    PageOf,
    SecretRotation,
    WebhookDeliveryResource,
    WebhookEndpointChange,
    WebhookEndpointRequest,
    WebhookEndpointResource,
)
from service.errors import InvalidRequest, NotFound, PayloadTooLarge
from service.usecases import webhooks

router = APIRouter(prefix="/v1", tags=["webhooks"], route_class=BoundedRoute)


@router.post(
    "/webhook-endpoints",
    operation_id="create_webhook_endpoint",
    summary="Be told what happens",
    status_code=201,
    responses={
        201: body("The endpoint, with its secret: the only time it is shown.", Location=LOCATION),
        **problems(InvalidRequest, PayloadTooLarge, unreadable_body=True),
    },
)
def create(
    response: Response, caller: Administrator, parts: PartsDep, asked: WebhookEndpointRequest
) -> NewWebhookEndpointResource:
    """From now on, events are sent there, signed as Standard Webhooks says; needs scope admin.

    A message that is not answered with 2xx within 15 seconds is sent again, up to nine times over
    three days. Redirects are not followed.
    """
    webhooks.check_url(asked.url, development=parts.settings.webhook_development)
    made = webhooks.create_endpoint(
        parts.store, caller.tenant_id, asked.url, asked.events, asked.description, asked.format
    )
    response.headers["Location"] = f"/v1/webhook-endpoints/{made.endpoint.id}"
    return NewWebhookEndpointResource.revealing(made.endpoint, made.secret)


@router.get(
    "/webhook-endpoints",
    operation_id="list_webhook_endpoints",
    summary="List webhook endpoints",
    responses={200: body("A page, newest first."), **problems(InvalidCursor, InvalidRequest)},
)
def list_page(
    caller: Administrator, parts: PartsDep, asked: PageDep
) -> PageOf[WebhookEndpointResource]:
    """The tenant's endpoints, newest first; needs the scope admin."""
    fetch = partial(webhooks.list_endpoints, parts.store, caller.tenant_id)
    scope = f"webhook-endpoints/{caller.tenant_id}"
    return send_page(parts, scope, asked, fetch, WebhookEndpointResource.of)


@router.get(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="get_webhook_endpoint",
    summary="Get a webhook endpoint",
    responses={200: body("The endpoint, without its secret."), **problems(NotFound)},
)
def get(
    caller: Administrator, parts: PartsDep, endpoint_id: WebhookEndpointId
) -> WebhookEndpointResource:
    """One endpoint, and whether it fails; needs the scope admin."""
    found = webhooks.get_endpoint(parts.store, caller.tenant_id, endpoint_id)
    return WebhookEndpointResource.of(found)


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="change_webhook_endpoint",
    summary="Change a webhook endpoint",
    responses={
        200: body("The endpoint as it is now."),
        **problems(InvalidRequest, NotFound, PayloadTooLarge, unreadable_body=True),
    },
)
def change(
    caller: Administrator,
    parts: PartsDep,
    endpoint_id: WebhookEndpointId,
    asked: WebhookEndpointChange,
) -> WebhookEndpointResource:
    """Sets the URL, the events, their format, or whether anything is sent; needs the scope admin.

    Enabling an endpoint that was disabled for failing gives it a new start; what failed meanwhile
    can be replayed.
    """
    webhooks.get_endpoint(parts.store, caller.tenant_id, endpoint_id)
    if asked.url is not None:
        webhooks.check_url(asked.url, development=parts.settings.webhook_development)
    changes = asked.model_dump(exclude_none=True)
    changed = webhooks.change_endpoint(parts.store, caller.tenant_id, endpoint_id, changes)
    return WebhookEndpointResource.of(changed)


@router.delete(
    "/webhook-endpoints/{endpoint_id}",
    operation_id="delete_webhook_endpoint",
    summary="Delete a webhook endpoint",
    status_code=204,
    responses={204: body("Nothing is sent there any more."), **problems(NotFound)},
)
def delete(caller: Administrator, parts: PartsDep, endpoint_id: WebhookEndpointId) -> None:
    """Forgets the endpoint and the log of its deliveries; needs the scope admin."""
    webhooks.delete_endpoint(parts.store, caller.tenant_id, endpoint_id)


@router.post(
    "/webhook-endpoints/{endpoint_id}/test",
    operation_id="test_webhook_endpoint",
    summary="Send a test message",
    status_code=202,
    responses={202: body("The message will be sent."), **problems(NotFound)},
)
def test(
    caller: Administrator, parts: PartsDep, endpoint_id: WebhookEndpointId
) -> WebhookDeliveryResource:
    """Sends an event of type webhook.test, whatever the endpoint's events; see its deliveries."""
    sent = webhooks.send_test(parts.store, caller.tenant_id, endpoint_id)
    return WebhookDeliveryResource.of(sent)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret",
    operation_id="rotate_webhook_secret",
    summary="Rotate an endpoint's secret",
    responses={
        200: body("The endpoint with its new secret: the only time it is shown."),
        **problems(InvalidRequest, NotFound, PayloadTooLarge, unreadable_body=True),
    },
)
def rotate(
    caller: Administrator,
    parts: PartsDep,
    endpoint_id: WebhookEndpointId,
    asked: SecretRotation | None = None,
) -> NewWebhookEndpointResource:
    """A new secret; for the grace period messages carry the signatures of both."""
    grace = (asked or SecretRotation()).grace_seconds
    made = webhooks.rotate_secret(parts.store, caller.tenant_id, endpoint_id, grace)
    return NewWebhookEndpointResource.revealing(made.endpoint, made.secret)


@router.get(
    "/webhook-endpoints/{endpoint_id}/deliveries",
    operation_id="list_webhook_deliveries",
    summary="List what was sent",
    responses={
        200: body("A page, newest first."),
        **problems(InvalidCursor, InvalidRequest, NotFound),
    },
)
def list_sent(
    caller: Administrator, parts: PartsDep, endpoint_id: WebhookEndpointId, asked: PageDep
) -> PageOf[WebhookDeliveryResource]:
    """The endpoint's messages with every attempt, newest first; kept for 30 days."""
    fetch = partial(webhooks.list_deliveries, parts.store, caller.tenant_id, endpoint_id)
    scope = f"webhook-deliveries/{caller.tenant_id}/{endpoint_id}"
    return send_page(parts, scope, asked, fetch, WebhookDeliveryResource.of)


@router.post(
    "/webhook-deliveries/{delivery_id}/replay",
    operation_id="replay_webhook_delivery",
    summary="Send a message again",
    status_code=202,
    responses={202: body("The message will be sent again."), **problems(NotFound)},
)
def replay(
    caller: Administrator, parts: PartsDep, delivery_id: WebhookDeliveryId
) -> WebhookDeliveryResource:
    """Sends the same message with the same webhook-id once more, with all retries anew."""
    sent = webhooks.replay_delivery(parts.store, caller.tenant_id, delivery_id)
    return WebhookDeliveryResource.of(sent)
