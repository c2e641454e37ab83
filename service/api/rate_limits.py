"""Rate limits: each process holds a share of a tenant's requests, handed out by the database."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from service.domain.limits import Grant
from service.errors import RateLimited
from service.store import Store

POLICY = "default"
_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Where a tenant stands after one request, as the IETF's RateLimit header fields tell it."""

    limit: int
    window_seconds: int
    left: int
    seconds: int
    allowed: bool

    def headers(self) -> dict[str, str]:
        """The header fields of every answer to this tenant."""
        return {
            "RateLimit-Policy": f'"{POLICY}";q={self.limit};w={self.window_seconds}',
            "RateLimit": f'"{POLICY}";r={self.left};t={self.seconds}',
        }

    def check(self) -> None:
        """Raise RateLimited unless the request may go on."""
        if not self.allowed:
            raise RateLimited(self.limit, self.window_seconds, self.seconds)


class _Share:
    """What this process may still let in, until its window ends."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant
        self._ends = time.monotonic() + grant.seconds_left
        self._left = grant.granted

    def take(self) -> Rate | None:
        """Let one request in, or refuse it; None: ask the database for another share."""
        seconds = self._ends - time.monotonic()
        if seconds <= 0 or (self._left == 0 and self._grant.granted > 0):
            return None
        allowed = self._left > 0
        self._left -= allowed
        grant = self._grant
        left = grant.limit - grant.used + self._left
        wait = max(1, math.ceil(seconds))
        return Rate(grant.limit, grant.window_seconds, max(0, left), wait, allowed)


class RateLimiter:
    """Counts requests per tenant. Refusals cost no query: a window without a grant stays so."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shares: dict[str, _Share] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def count(self, tenant_id: str) -> Rate:
        """Count one request; whether it may go on is in the answer."""
        rate = self._take(tenant_id)
        while rate is None:
            async with self._locks.setdefault(tenant_id, asyncio.Lock()):
                # Others may have fetched a share while this one waited.
                rate = self._take(tenant_id)
                if rate is None:
                    if len(self._shares) >= _MOST_REMEMBERED:
                        self._shares.clear()
                    self._shares[tenant_id] = _Share(
                        await run_in_threadpool(self._fetch, tenant_id)
                    )
                    rate = self._take(tenant_id)
        return rate

    def _take(self, tenant_id: str) -> Rate | None:
        share = self._shares.get(tenant_id)
        return None if share is None else share.take()

    def _fetch(self, tenant_id: str) -> Grant:
        with self._store.begin() as tx:
            return tx.quotas.take_requests(tenant_id)
