"""Whose work comes next: by priority, then the tenant's turn, then age."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeAlias

from service.domain import JobKind
from service.store.tables import JobRow, TenantRow

Rank: TypeAlias = tuple[int, datetime, bool, datetime, str]
"""What comes first compares as less."""

# They are short, and somebody waits for them.
_SHORT = (JobKind.PLAN, JobKind.EXPORT, JobKind.COMPARE)
_NEVER = datetime.min.replace(tzinfo=UTC)


def claim_order() -> tuple[Any, ...]:
    """ORDER BY of jobs that are joined with their tenants.

    The turn is that of the tenant served longest ago. Plans come before the tenant's other jobs,
    and so do exports and comparisons.
    """
    return (
        JobRow.priority.desc(),
        TenantRow.last_served_at.nulls_first(),
        JobRow.kind.not_in(_SHORT),
        JobRow.queued_at,
        JobRow.id,
    )


def rank(job: JobRow, last_served_at: datetime | None) -> Rank:
    """The same order among jobs that were read."""
    longer = job.kind not in _SHORT
    return (-job.priority, last_served_at or _NEVER, longer, job.queued_at, job.id)
