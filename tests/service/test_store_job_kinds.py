"""Kinds of jobs in the database: what each must have, and who goes first."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from service.domain import Job, JobDevice, JobFilter, JobKind, JobRequest, JobStatus
from service.store import Store
from tests.service.test_store_jobs import claim, ready_checkpoint, submit


def add(
    store: Store,
    tenant_id: str,
    checkpoint_id: str | None,
    kind: JobKind = JobKind.CONSTRUCT,
    **fields: Any,
) -> Job:
    with store.begin() as tx:
        return tx.jobs.add(tenant_id, JobRequest(kind, {"a": 1}, checkpoint_id, **fields))


def test_a_job_without_a_word_is_a_construction(store: Store) -> None:
    job = submit(store, *ready_checkpoint(store))

    assert (job.kind, job.replicates) == (JobKind.CONSTRUCT, None)


def test_an_estimate_keeps_its_replicates_and_ends_with_a_report_alone(store: Store) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    job = add(store, tenant_id, checkpoint_id, kind=JobKind.ESTIMATE, replicates=5)

    claimed = claim(store)
    with store.begin() as tx:
        assert tx.jobs.succeed(job.id, claimed.lease_token, None, {"replicates": 5})

    with store.read() as tx:
        done = tx.jobs.get(tenant_id, job.id)
        events = tx.events.list(job.id)
    assert (claimed.job.kind, claimed.job.replicates) == (JobKind.ESTIMATE, 5)
    assert (done.status, done.ticket_id) == (JobStatus.SUCCEEDED, None)
    assert done.report == {"replicates": 5}
    assert done.progress.fraction == 1.0
    assert [(event.type, event.data) for event in events if event.type != "job.started"] == [
        ("job.queued", {"kind": "estimate"}),
        ("job.succeeded", {}),
    ]


def test_statistics_need_no_checkpoint_and_wait_for_none(store: Store) -> None:
    tenant_id, _ = ready_checkpoint(store)
    job = add(store, tenant_id, None, kind=JobKind.STATISTICS)

    with store.read() as tx:
        assert tx.jobs.waiting(older_than_seconds=-1, device=JobDevice.CPU)
    claimed = claim(store)

    assert claimed.job.id == job.id
    assert (claimed.job.checkpoint_id, claimed.checkpoint_sha256) == (None, None)


def test_the_reaper_recovers_every_kind(store: Store) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    jobs = {
        add(store, tenant_id, None, kind=JobKind.STATISTICS).id,
        add(store, tenant_id, checkpoint_id, kind=JobKind.PLAN).id,
        add(store, tenant_id, checkpoint_id, kind=JobKind.ESTIMATE, replicates=1).id,
    }
    for _ in jobs:
        claim(store, lease_seconds=-1)

    with store.begin() as tx:
        assert set(tx.jobs.reap()) == jobs

    assert {claim(store).job.id for _ in jobs} == jobs


def test_a_plan_goes_before_its_tenants_other_jobs_but_not_before_another_tenants_turn(
    store: Store,
) -> None:
    first, second = ready_checkpoint(store, "one"), ready_checkpoint(store, "two")
    long = submit(store, *first)
    plans = [add(store, *first, kind=JobKind.PLAN) for _ in range(2)]
    other = submit(store, *second)

    order = [claim(store).job.id for _ in range(4)]

    assert order == [plans[0].id, other.id, plans[1].id, long.id]


def test_jobs_are_listed_by_kind(store: Store) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)
    submit(store, tenant_id, checkpoint_id)
    plan = add(store, tenant_id, checkpoint_id, kind=JobKind.PLAN)

    with store.read() as tx:
        listed = tx.jobs.list(tenant_id, 10, wanted=JobFilter(kind=JobKind.PLAN))

    assert [job.id for job in listed] == [plan.id]


@pytest.mark.parametrize(
    ("with_checkpoint", "fields"),
    [
        (False, {"kind": JobKind.CONSTRUCT}),
        (False, {"kind": JobKind.PLAN}),
        (True, {"kind": JobKind.STATISTICS}),
        (True, {"kind": JobKind.ESTIMATE}),
        (True, {"kind": JobKind.CONSTRUCT, "replicates": 3}),
        (True, {"kind": "dance"}),
    ],
)
def test_the_database_itself_refuses_what_does_not_fit_the_kind(
    store: Store, with_checkpoint: bool, fields: dict[str, Any]
) -> None:
    tenant_id, checkpoint_id = ready_checkpoint(store)

    with pytest.raises(IntegrityError):
        add(store, tenant_id, checkpoint_id if with_checkpoint else None, **fields)
