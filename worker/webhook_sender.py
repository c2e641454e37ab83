"""Sends webhooks. Any number of senders may run: a message belongs to who holds its lease."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait

import structlog

from service.domain import Attempt, ClaimedDelivery
from service.errors import StorageUnavailable
from service.settings import Settings
from service.store import Store
from worker.webhook_request import WebhookRequester
from worker.webhook_signature import signed_headers

_log = structlog.get_logger(__name__)

# What one claim may take beyond the request itself: a slow name server, a busy database.
_LEASE_MARGIN_SECONDS = 45.0


class WebhookSender:
    """Claims what is due, sends it from a few threads, and notes what came of it."""

    def __init__(
        self, settings: Settings, store: Store, requester: WebhookRequester | None = None
    ) -> None:
        self._settings = settings
        self._store = store
        self._requester = requester or WebhookRequester(
            settings.webhook_seconds, settings.webhook_development
        )
        self._threads = ThreadPoolExecutor(settings.webhook_senders, "webhook")
        self._sending: set[Future[None]] = set()

    def run(self, stopping: threading.Event) -> None:
        """Send until told to stop; what is under way then is finished."""
        pause = 0.0
        while not stopping.wait(pause):
            try:
                busy = self.round() > 0
            except StorageUnavailable as failure:
                _log.warning("sending webhooks is interrupted", error=failure.detail)
                busy = False
            pause = 0.0 if busy else self._settings.housekeeping_seconds
        self.close()

    def round(self) -> int:
        """Start sending what is due, as far as threads are free; how many messages."""
        self._sending = {future for future in self._sending if not future.done()}
        free = self._settings.webhook_senders - len(self._sending)
        if free == 0:
            wait(self._sending, timeout=self._settings.housekeeping_seconds)
            return 0
        with self._store.read() as tx:
            if not tx.webhook_deliveries.any_due():
                return 0
        lease_seconds = self._settings.webhook_seconds + _LEASE_MARGIN_SECONDS
        with self._store.begin() as tx:
            claimed = tx.webhook_deliveries.claim(free, lease_seconds)
        for message in claimed:
            self._sending.add(self._threads.submit(self._deliver, message))
        return len(claimed)

    def drain(self) -> None:
        """Wait for what is being sent."""
        wait(self._sending)

    def close(self) -> None:
        """Finish what is under way, start nothing more."""
        self._threads.shutdown()

    def _deliver(self, message: ClaimedDelivery) -> None:
        attempt = self._send(message)
        _log.info("webhook sent", delivery_id=message.id, code=attempt.code, error=attempt.error)
        try:
            with self._store.begin() as tx:
                tx.webhook_deliveries.settle(
                    message,
                    attempt,
                    jitter=random.random(),
                    patience_seconds=self._settings.webhook_patience_seconds,
                )
        except StorageUnavailable as failure:
            # The lease ends, and the message is sent again with the same id.
            _log.warning("a webhook's outcome was not noted", error=failure.detail)

    def _send(self, message: ClaimedDelivery) -> Attempt:
        body = message.body.encode()
        headers = signed_headers(message.id, int(time.time()), body, message.secrets)
        headers |= {"Content-Type": message.format.media_type, "User-Agent": "ltforge-webhooks"}
        return self._requester.post(message.url, headers, body)
