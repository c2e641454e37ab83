"""What a tenant used, and what it may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from service.domain import Limits, Standing, UsageLine
from service.errors import InvalidRequest
from service.store import Store

_DEFAULT_DAYS = 30
_MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Usage:
    """Limits, what is there now, and the jobs of a period."""

    limits: Limits
    now: Standing
    start: date
    end: date
    lines: Sequence[UsageLine]


def read_usage(store: Store, tenant_id: str, start: date | None, end: date | None) -> Usage:
    """The tenant's usage from one day to another; raises InvalidRequest for a strange period."""
    with store.read() as tx:
        last = end or tx.quotas.today()
        first = start or _days_before(last, _DEFAULT_DAYS)
        if not timedelta() <= last - first < timedelta(days=_MOST_DAYS) or last.year > 9000:
            detail = f"the period must end after it starts and last at most {_MOST_DAYS} days"
            problem = {"parameter": "start", "code": "INVALID_PERIOD", "detail": detail}
            raise InvalidRequest(f"start: {detail}", [problem])
        return Usage(
            tx.quotas.limits(tenant_id),
            tx.quotas.standing(tenant_id),
            first,
            last,
            tx.quotas.usage(tenant_id, first, last),
        )


def _days_before(day: date, days: int) -> date:
    return date.fromordinal(max(1, day.toordinal() - days))
