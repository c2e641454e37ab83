"""Nobody waits behind another tenant's crowd."""

from __future__ import annotations

import pytest

from service.domain import JobKind, JobRequest
from service.store import Store

CROWD = 2000
QUESTION = JobRequest(JobKind.STATISTICS, {"candidates": 5})


@pytest.mark.slow
def test_the_first_job_of_a_tenant_is_next_though_another_has_thousands_queued(
    store: Store,
) -> None:
    with store.begin() as tx:
        crowd, lonely = tx.keys.ensure_tenant("crowd"), tx.keys.ensure_tenant("lonely")
        for start in range(0, CROWD, 500):
            tx.jobs.add_many(crowd, [QUESTION] * 500, f"bat_{start}")
    with store.begin() as tx:
        first = tx.jobs.claim("worker", 60)
        job = tx.jobs.add(lonely, QUESTION)

    with store.begin() as tx:
        claimed = [tx.jobs.claim("worker", 60) for _ in range(4)]

    owners = [found.job.tenant_id for found in claimed if found is not None]
    assert first is not None
    assert first.job.tenant_id == crowd
    assert claimed[0] is not None
    assert claimed[0].job.id == job.id
    assert owners == [lonely, crowd, crowd, crowd]
