"""What a tenant may do, where it stands, and what it did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Limits:
    """A tenant's limits: requests in each window of time, and what it may have at a time."""

    requests: int = 60_000
    window_seconds: int = 60
    queued_jobs: int = 10_000
    running_jobs: int = 64
    stored_bytes: int = 200 << 30
    uploads: int = 16


@dataclass(frozen=True, slots=True)
class Standing:
    """What a tenant has now; `exported_bytes` are those of `stored_bytes` that are exports."""

    queued_jobs: int
    running_jobs: int
    stored_bytes: int
    exported_bytes: int


@dataclass(frozen=True, slots=True)
class UsageLine:
    """The jobs of one kind that were submitted on one day (UTC); `seconds` they ran together."""

    day: date
    kind: str
    jobs: int
    succeeded: int
    failed: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Grant:
    """Requests that a process may let in during the rest of the window."""

    limit: int
    window_seconds: int
    granted: int
    used: int
    seconds_left: float
