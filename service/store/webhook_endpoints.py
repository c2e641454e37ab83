"""Webhook endpoints as tenants see them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, select

from service.domain import WebhookEndpoint, WebhookFormat
from service.errors import NotFound
from service.identifiers import new_id
from service.store.scope import Scope
from service.store.tables import WebhookDeliveryRow, WebhookEndpointRow

_SECRET_BYTES = 32


class WebhookEndpointRepository:
    """Creates, finds, changes endpoints."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def add(
        self,
        tenant_id: str,
        url: str,
        events: Sequence[str],
        description: str,
        form: WebhookFormat = WebhookFormat.STANDARD,
    ) -> tuple[WebhookEndpoint, str]:
        """A new endpoint and the secret its messages are signed with."""
        row = WebhookEndpointRow(
            id=new_id("whk"),
            tenant_id=tenant_id,
            url=url,
            description=description,
            events=list(events),
            format=form,
            secret=_new_secret(),
            enabled=True,
            created_at=self._scope.now(),
        )
        self._scope.session.add(row)
        self._scope.session.flush()
        self._scope.audit(tenant_id, row.id, "webhook_endpoint.created", {"url": url})
        return _record(row), row.secret

    def get(self, tenant_id: str, endpoint_id: str) -> WebhookEndpoint:
        """One endpoint of the tenant; raises NotFound."""
        return _record(self._own(tenant_id, endpoint_id))

    def list(self, tenant_id: str, limit: int, after: str | None = None) -> list[WebhookEndpoint]:
        """Endpoints of the tenant, newest first, starting below the id `after`."""
        query = select(WebhookEndpointRow).where(WebhookEndpointRow.tenant_id == tenant_id)
        if after is not None:
            query = query.where(WebhookEndpointRow.id < after)
        query = query.order_by(WebhookEndpointRow.id.desc()).limit(limit)
        return [_record(row) for row in self._scope.session.scalars(query)]

    def change(self, tenant_id: str, endpoint_id: str, changes: dict[str, Any]) -> WebhookEndpoint:
        """Set `url`, `events`, `format`, `description` or `enabled`; raises NotFound."""
        row = self._lock(tenant_id, endpoint_id)
        for name, value in changes.items():
            setattr(row, name, value)
        if changes.get("enabled"):
            row.disabled_reason = row.failing_since = None
        self._scope.session.flush()
        fields = {"fields": sorted(changes)}
        self._scope.audit(tenant_id, endpoint_id, "webhook_endpoint.changed", fields)
        return _record(row)

    def rotate_secret(
        self, tenant_id: str, endpoint_id: str, grace_seconds: float
    ) -> tuple[WebhookEndpoint, str]:
        """A new secret; for some seconds more, messages are signed with the one before too."""
        row = self._lock(tenant_id, endpoint_id)
        row.previous_secret, row.previous_until = row.secret, self._scope.after(grace_seconds)
        row.secret = _new_secret()
        self._scope.session.flush()
        grace = {"grace_seconds": grace_seconds}
        self._scope.audit(tenant_id, endpoint_id, "webhook_endpoint.secret_rotated", grace)
        return _record(row), row.secret

    def remove(self, tenant_id: str, endpoint_id: str) -> None:
        """Forget the endpoint with its deliveries; raises NotFound."""
        self._own(tenant_id, endpoint_id)
        forget = delete(WebhookDeliveryRow).where(WebhookDeliveryRow.endpoint_id == endpoint_id)
        # In the order in which senders lock; then what came before the endpoint was locked.
        self._scope.change(forget)
        row = self._lock(tenant_id, endpoint_id)
        self._scope.change(forget)
        self._scope.session.delete(row)
        self._scope.session.flush()
        self._scope.audit(tenant_id, endpoint_id, "webhook_endpoint.deleted", {"url": row.url})

    def _lock(self, tenant_id: str, endpoint_id: str) -> WebhookEndpointRow:
        """The endpoint, which nobody else changes, removes, or leaves messages for meanwhile."""
        own = WebhookEndpointRow.id == endpoint_id
        locked = select(WebhookEndpointRow).where(own).with_for_update()
        row = self._scope.session.scalar(locked.execution_options(populate_existing=True))
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("webhook endpoint", endpoint_id)
        return row

    def _own(self, tenant_id: str, endpoint_id: str) -> WebhookEndpointRow:
        row = self._scope.session.get(WebhookEndpointRow, endpoint_id)
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("webhook endpoint", endpoint_id)
        return row


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def _record(row: WebhookEndpointRow) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=row.id,
        tenant_id=row.tenant_id,
        url=row.url,
        description=row.description,
        events=tuple(row.events),
        format=WebhookFormat(row.format),
        enabled=row.enabled,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        previous_until=row.previous_until,
        created_at=row.created_at,
    )
