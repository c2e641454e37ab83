"""What a tenant can ask a job to do, and under which conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from service.domain.jobs import JobDevice, JobKind, JobStatus

SEEDS = 2**64
HIGHEST_PRIORITY = 10


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs to list; None: any. Times are half open: from `created_after` on."""

    status: JobStatus | None = None
    kind: JobKind | None = None
    checkpoint_id: str | None = None
    batch_id: str | None = None
    parent_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a tenant wants done; the spec is complete and checked, and fits the kind.

    `timeout_s` bounds one attempt, `queue_timeout_s` the wait for a worker; None: no bound of the
    job's own. Of two queued jobs the one with the higher `priority` starts first.
    """

    kind: JobKind
    spec: dict[str, Any]
    checkpoint_id: str | None = None
    dataset_id: str | None = None
    replicates: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0
    timeout_s: float | None = None
    queue_timeout_s: float | None = None
    max_attempts: int = 3

    @property
    def device(self) -> JobDevice:
        """What the spec asks to run on; kinds whose spec has no device need none."""
        return JobDevice(self.spec.get("device", JobDevice.CPU))

    def with_spec(self, spec: dict[str, Any]) -> JobRequest:
        """The same request with another spec."""
        return replace(self, spec=spec)

    def single(self) -> list[JobRequest]:
        """The requests, one for each source, that the `replicates` of a construction stand for.

        Their seeds are the spec's seed and those that follow it, modulo 2^64.
        """
        if self.kind is not JobKind.CONSTRUCT or self.spec.get("replicates", 1) == 1:
            return [self]
        return [
            replace(self, spec=_with_seed(self.spec, number))
            for number in range(self.spec["replicates"])
        ]


def _with_seed(spec: dict[str, Any], number: int) -> dict[str, Any]:
    source = spec["source"]
    seeded = source | {"seed": (source["seed"] + number) % SEEDS}
    return spec | {"source": seeded, "replicates": 1}
