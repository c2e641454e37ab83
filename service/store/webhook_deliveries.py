"""Messages to endpoints: listed for tenants; claimed and settled by senders, under a lease."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, update

from service.domain import (
    Attempt,
    ClaimedDelivery,
    DeliveryStatus,
    WebhookDelivery,
    WebhookFormat,
)
from service.domain.webhooks import retry_delay
from service.errors import NotFound
from service.store.scope import Scope
from service.store.tables import WebhookDeliveryRow, WebhookEndpointRow

TEST_EVENT = "webhook.test"
# An endpoint that hangs must not keep all senders from the others.
_AT_ONE_ENDPOINT = 4
_Own = WebhookDeliveryRow


class WebhookDeliveryRepository:
    """Shows, repeats, claims and settles deliveries; `Scope.message` makes them."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope

    def test(self, tenant_id: str, endpoint_id: str) -> WebhookDelivery:
        """A message that says nothing, to an endpoint of the tenant; raises NotFound."""
        form = self._check_endpoint(tenant_id, endpoint_id, hold=True)
        row = self._scope.message(tenant_id, endpoint_id, form, TEST_EVENT, {"id": endpoint_id})
        self._scope.insert(row)
        self._scope.audit(tenant_id, endpoint_id, "webhook_endpoint.tested", {"delivery": row.id})
        return _record(row)

    def replay(self, tenant_id: str, delivery_id: str) -> WebhookDelivery:
        """Send a message again, now, with all retries anew; raises NotFound."""
        own = WebhookDeliveryRow.id == delivery_id
        row = self._scope.session.scalar(select(_Own).where(own).with_for_update())
        if row is None or row.tenant_id != tenant_id:
            raise NotFound("webhook delivery", delivery_id)
        row.status, row.tries, row.finished_at = DeliveryStatus.PENDING, 0, None
        row.due_at = self._scope.now()
        self._scope.session.flush()
        self._scope.audit(tenant_id, delivery_id, "webhook_delivery.replayed", {})
        return _record(row)

    def any_due(self) -> bool:
        """Whether a message could be claimed now; writes nothing."""
        return self._scope.session.scalar(self._due(_Own.id).limit(1)) is not None

    def claim(self, limit: int, lease_seconds: float) -> list[ClaimedDelivery]:
        """The messages due longest, to be sent by the caller while the lease lasts."""
        found = self._scope.session.execute(
            self._due(_Own, WebhookEndpointRow)
            .order_by(_Own.due_at, _Own.id)
            .limit(limit)
            .with_for_update(of=_Own, skip_locked=True)
        ).all()
        return [self._lease(row, endpoint, lease_seconds) for row, endpoint in found]

    def settle(
        self,
        claimed: ClaimedDelivery,
        attempt: Attempt,
        *,
        jitter: float,
        patience_seconds: float,
    ) -> bool:
        """Note an attempt and what follows from it; False: the lease was lost meanwhile."""
        # Asked for first: a query between two changes of one row would write it twice.
        now = self._scope.now()
        held = and_(_Own.id == claimed.id, _Own.lease_token == claimed.lease_token)
        row = self._scope.session.scalar(select(_Own).where(held).with_for_update())
        if row is None:
            return False
        row.tries += 1
        row.attempts = [*row.attempts, self._logged(attempt)]
        row.lease_token = row.lease_expires_at = None
        delay = None if attempt.gone else retry_delay(row.tries, attempt.retry_after, jitter)
        if attempt.succeeded:
            row.status, row.finished_at = DeliveryStatus.DELIVERED, now
        elif delay is None:
            row.status, row.finished_at = DeliveryStatus.FAILED, now
        else:
            row.due_at = self._scope.after(delay)
        self._scope.session.flush()
        self._judge_endpoint(row.endpoint_id, attempt, patience_seconds)
        return True

    def forget_finished(self, older_than_seconds: float) -> int:
        """Delete deliveries finished long ago; how many."""
        limit = self._scope.after(-older_than_seconds)
        return self._scope.change(delete(_Own).where(_Own.finished_at < limit))

    def list(
        self, tenant_id: str, endpoint_id: str, limit: int, after: str | None = None
    ) -> list[WebhookDelivery]:
        """Deliveries to an endpoint of the tenant, newest first; raises NotFound."""
        self._check_endpoint(tenant_id, endpoint_id)
        query = select(_Own).where(_Own.endpoint_id == endpoint_id)
        if after is not None:
            query = query.where(_Own.id < after)
        query = query.order_by(_Own.id.desc()).limit(limit)
        return [_record(row) for row in self._scope.session.scalars(query)]

    def _due(self, *columns: Any) -> Select[Any]:
        """Messages that are due, unleased, and not to an endpoint that is busy enough."""
        now = self._scope.now()
        busy = (
            select(_Own.endpoint_id)
            .where(_Own.status == DeliveryStatus.PENDING, _Own.lease_expires_at >= now)
            .group_by(_Own.endpoint_id)
            .having(func.count() >= _AT_ONE_ENDPOINT)
        )
        return (
            select(*columns)
            .join(WebhookEndpointRow, WebhookEndpointRow.id == _Own.endpoint_id)
            .where(
                _Own.status == DeliveryStatus.PENDING,
                _Own.due_at <= now,
                or_(_Own.lease_token.is_(None), _Own.lease_expires_at < now),
                WebhookEndpointRow.enabled,
                _Own.endpoint_id.not_in(busy),
            )
        )

    def _lease(
        self, row: WebhookDeliveryRow, endpoint: WebhookEndpointRow, lease_seconds: float
    ) -> ClaimedDelivery:
        row.lease_token = secrets.token_hex(16)
        row.lease_expires_at = self._scope.after(lease_seconds)
        self._scope.session.flush()
        keys = [endpoint.secret]
        until = endpoint.previous_until
        if endpoint.previous_secret and until is not None and until > self._scope.now():
            keys.append(endpoint.previous_secret)
        return ClaimedDelivery(
            row.id, endpoint.url, row.body, WebhookFormat(row.format), tuple(keys), row.lease_token
        )

    def _logged(self, attempt: Attempt) -> dict[str, Any]:
        began = self._scope.now() - timedelta(seconds=attempt.seconds)
        return {
            "at": began.isoformat(),
            "code": attempt.code,
            "seconds": round(attempt.seconds, 3),
            "error": attempt.error,
        }

    def _judge_endpoint(self, endpoint_id: str, attempt: Attempt, patience: float) -> None:
        """Remember since when an endpoint only fails; disable it when that is too long."""
        row = self._scope.session.get(
            WebhookEndpointRow,
            endpoint_id,
            # Events that happen meanwhile may still leave messages for it.
            with_for_update={"key_share": True},
            populate_existing=True,
        )
        if row is None:
            return
        if attempt.succeeded:
            row.failing_since = None
        else:
            row.failing_since = row.failing_since or self._scope.now()
            if attempt.gone:
                self._disable(row, "GONE")
            elif row.failing_since < self._scope.after(-patience):
                self._disable(row, "FAILING")
        self._scope.session.flush()

    def _disable(self, endpoint: WebhookEndpointRow, reason: str) -> None:
        endpoint.enabled, endpoint.disabled_reason = False, reason
        self._scope.change(
            update(_Own)
            .where(_Own.endpoint_id == endpoint.id, _unfinished())
            .values(status=DeliveryStatus.FAILED, finished_at=self._scope.now())
        )

    def _check_endpoint(self, tenant_id: str, endpoint_id: str, *, hold: bool = False) -> str:
        """Its format; raises NotFound. With `hold` it stays until the transaction ends."""
        own = (WebhookEndpointRow.id == endpoint_id, WebhookEndpointRow.tenant_id == tenant_id)
        query = select(WebhookEndpointRow.format).where(*own)
        if hold:
            query = query.with_for_update(read=True, key_share=True)
        form = self._scope.session.scalar(query)
        if form is None:
            raise NotFound("webhook endpoint", endpoint_id)
        return form


def _unfinished() -> ColumnElement[bool]:
    return and_(_Own.status == DeliveryStatus.PENDING, _Own.lease_token.is_(None))


def _record(row: WebhookDeliveryRow) -> WebhookDelivery:
    return WebhookDelivery(
        id=row.id,
        tenant_id=row.tenant_id,
        endpoint_id=row.endpoint_id,
        event_type=row.event_type,
        body=row.body,
        status=DeliveryStatus(row.status),
        attempts=tuple(row.attempts),
        due_at=row.due_at,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
