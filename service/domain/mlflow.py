"""Deliveries to an MLflow server: finished constructions, each as a run."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.jobs import Job

MOST_TRIES = 10
"""After so many refusals by a server that answers, a job is given up."""
_FIRST_DELAY, _LONGEST_DELAY = 5.0, 3600.0


@dataclass(frozen=True, slots=True)
class MlflowDelivery:
    """A finished job to be told now, by whoever holds the lease; `tenant` is its name."""

    job: Job
    tenant: str
    tries: int
    lease_token: str


def next_try(tries: int) -> float | None:
    """Seconds until a job is told again that the server refused `tries` times; None: never."""
    if tries >= MOST_TRIES:
        return None
    return float(min(_FIRST_DELAY * 4 ** (tries - 1), _LONGEST_DELAY))
