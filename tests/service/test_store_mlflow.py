"""Which finished jobs an MLflow server is to be told of, on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, func, select

from service.domain import Job, JobKind, JobRequest, Problem
from service.store import Store
from service.store.tables import MlflowDeliveryRow


@pytest.fixture
def job(store: Store) -> Job:
    """A construction that failed."""
    return failed(store)


def failed(store: Store) -> Job:
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        if task is not None:
            tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})
        added = tx.jobs.add(tenant_id, JobRequest(JobKind.CONSTRUCT, {}, checkpoint.id))
    with store.begin() as tx:
        claimed = tx.jobs.claim("worker", 60)
        assert claimed is not None
        assert tx.jobs.fail(added.id, claimed.lease_token, Problem("UNSOLVED", "One is left."))
        return tx.jobs.get(tenant_id, added.id)


def count(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(MlflowDeliveryRow)).scalar_one()


def test_a_job_is_claimed_once_while_its_lease_lasts(store: Store, job: Job) -> None:
    with store.begin() as tx:
        (claimed,) = tx.mlflow_deliveries.claim(5, 60)

    assert (claimed.job.id, claimed.tenant, claimed.tries) == (job.id, "default", 0)
    with store.begin() as tx:
        assert not tx.mlflow_deliveries.any_due()
        assert tx.mlflow_deliveries.claim(5, 60) == []
        assert tx.mlflow_deliveries.release(claimed)
        assert not tx.mlflow_deliveries.release(claimed)
        (again,) = tx.mlflow_deliveries.claim(5, -1.0)
    with store.begin() as tx:
        (third,) = tx.mlflow_deliveries.claim(5, 60)
        assert not tx.mlflow_deliveries.delivered(again, "run")
        assert tx.mlflow_deliveries.delivered(third, "run")
        assert not tx.mlflow_deliveries.any_due()


def test_what_was_refused_waits_and_is_given_up_without_a_delay(store: Store, job: Job) -> None:
    with store.begin() as tx:
        (claimed,) = tx.mlflow_deliveries.claim(1, 60)
        assert tx.mlflow_deliveries.refused(claimed, "no", 3600.0)
        assert not tx.mlflow_deliveries.any_due()
    failed(store)
    with store.begin() as tx:
        (other,) = tx.mlflow_deliveries.claim(5, 60)
        assert tx.mlflow_deliveries.refused(other, "no", None)

    assert other.job.id != job.id
    assert count(store) == 2


def test_jobs_of_an_older_release_are_adopted_and_those_without_results_are_not(
    store: Store, job: Job
) -> None:
    with store.begin() as tx:
        canceled = tx.jobs.add(job.tenant_id, JobRequest(JobKind.STATISTICS, {}))
        tx.jobs.cancel(job.tenant_id, canceled.id)
    with store.engine.begin() as connection:
        connection.execute(delete(MlflowDeliveryRow))

    with store.begin() as tx:
        assert tx.mlflow_deliveries.adopt() == 1
        assert tx.mlflow_deliveries.adopt() == 0
    with store.begin() as tx:
        (claimed,) = tx.mlflow_deliveries.claim(5, 60)

    assert claimed.job.id == job.id


def test_a_job_that_is_deleted_is_told_to_nobody(store: Store, job: Job) -> None:
    with store.begin() as tx:
        tx.jobs.delete(job.tenant_id, job.id)

    assert count(store) == 0
