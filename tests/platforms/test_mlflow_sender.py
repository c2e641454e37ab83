"""An MLflow server is told of every finished construction, whatever happens to it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient
from sqlalchemy import select, update

from service.domain import Job, JobKind, JobRequest, Problem
from service.domain.mlflow import MOST_TRIES, next_try
from service.settings import Settings
from service.store import Store
from service.store.tables import MlflowDeliveryRow
from tests.service.real_tickets import MadeTicket
from worker.mlflow_sender import MlflowSender, ServerAway

Finish = Callable[..., Job]
Sender = Callable[..., MlflowSender]


@pytest.fixture
def finish(store: Store, made: MadeTicket) -> Finish:
    """A job that a worker has just finished; its tenant is called `default`."""
    with store.begin() as tx:
        tenant_id = tx.keys.ensure_default_tenant()
        checkpoint = tx.checkpoints.add(tenant_id, "net", "a" * 64, 10)
        task = tx.checkpoints.claim_validation("validator", 60)
        assert task is not None
        tx.checkpoints.accept(task.id, task.lease_token, "c" * 64, {})

    def finish_one(problem: Problem | None = None) -> Job:
        spec = made.report["specification"]
        with store.begin() as tx:
            job = tx.jobs.add(tenant_id, JobRequest(JobKind.CONSTRUCT, spec, checkpoint.id))
        with store.begin() as tx:
            claimed = tx.jobs.claim("worker", 60)
            assert claimed is not None
            if problem is not None:
                assert tx.jobs.fail(job.id, claimed.lease_token, problem)
                return tx.jobs.get(tenant_id, job.id)
            assert tx.jobs.succeed(job.id, claimed.lease_token, None, made.report)
            return tx.jobs.get(tenant_id, job.id)

    return finish_one


@pytest.fixture
def sender(settings: Settings, store: Store, tmp_path: Any) -> Sender:
    def make(uri: str, **changes: Any) -> MlflowSender:
        changes = {"mlflow_experiment": tmp_path.name} | changes
        told = settings.model_copy(update={"mlflow_tracking_uri": uri, **changes})
        made = MlflowSender(told, store)
        assert made.wanted
        return made

    return make


def deliveries(store: Store) -> dict[str, MlflowDeliveryRow]:
    with store.engine.connect() as connection:
        table = MlflowDeliveryRow.__table__
        return {row.job_id: row for row in connection.execute(select(table))}  # type: ignore[misc]


def test_finished_constructions_become_runs(
    tracking_uri: str, store: Store, finish: Finish, sender: Sender, settings: Settings
) -> None:
    ended = finish()
    failed = finish(Problem("UNSOLVED", "One is left."))
    keeper = sender(tracking_uri)

    assert keeper.round() == 2
    assert keeper.round() == 0

    client, found = MlflowClient(tracking_uri), deliveries(store)
    run = client.get_run(found[ended.id].run_id or "")
    experiment = client.get_experiment(run.info.experiment_id)
    assert experiment.name.endswith("/default")
    assert run.data.tags["ltforge.job_id"] == ended.id
    other = client.get_run(found[failed.id].run_id or "")
    assert (other.info.status, other.data.tags["ltforge.error_code"]) == ("FAILED", "UNSOLVED")
    assert {row.status for row in found.values()} == {"delivered"}
    assert not list(settings.scratch.iterdir())


def test_a_server_that_is_away_loses_nothing_and_counts_against_nobody(
    tracking_uri: str, store: Store, finish: Finish, sender: Sender
) -> None:
    job = finish()

    with pytest.raises(ServerAway):
        sender("http://127.0.0.1:9").round()

    row = deliveries(store)[job.id]
    assert (row.status, row.tries, row.lease_token) == ("pending", 0, None)
    assert sender(tracking_uri).round() == 1
    assert deliveries(store)[job.id].status == "delivered"


def test_what_the_server_refuses_is_tried_again_later_and_given_up_in_the_end(
    tracking_uri: str, store: Store, finish: Finish, sender: Sender
) -> None:
    client, job = MlflowClient(tracking_uri), finish()
    # Nothing more is taken into an experiment that was deleted.
    client.delete_experiment(client.create_experiment("deleted/default"))
    keeper = sender(tracking_uri, mlflow_experiment="deleted")

    assert keeper.round() == 1

    row = deliveries(store)[job.id]
    assert (row.status, row.tries, row.lease_token) == ("pending", 1, None)
    assert "deleted" in (row.error or "")
    assert keeper.round() == 0
    with store.engine.begin() as connection:
        due = {"due_at": job.created_at, "tries": MOST_TRIES - 1}
        connection.execute(update(MlflowDeliveryRow).values(due))
    assert keeper.round() == 1
    assert deliveries(store)[job.id].status == "failed"


def test_a_job_whose_sender_died_is_told_by_another(
    tracking_uri: str, store: Store, finish: Finish, sender: Sender
) -> None:
    job = finish()
    with store.begin() as tx:
        (lost,) = tx.mlflow_deliveries.claim(1, -1.0)

    assert sender(tracking_uri).round() == 1

    assert deliveries(store)[job.id].status == "delivered"
    with store.begin() as tx:
        assert not tx.mlflow_deliveries.release(lost)


def test_a_sender_that_is_stopped_gives_back_what_it_holds(
    store: Store, finish: Finish, sender: Sender
) -> None:
    job = finish()
    keeper = sender("http://127.0.0.1:9")

    keeper.stop()

    assert keeper.round() == 0
    row = deliveries(store)[job.id]
    assert (row.status, row.tries, row.lease_token) == ("pending", 0, None)


def test_without_a_server_nothing_is_told(settings: Settings, store: Store) -> None:
    assert not MlflowSender(settings, store).wanted


def test_the_schedule_grows_and_ends() -> None:
    delays = [next_try(tries) for tries in range(1, MOST_TRIES)]

    assert delays == [5.0, 20.0, 80.0, 320.0, 1280.0, 3600.0, 3600.0, 3600.0, 3600.0]
    assert next_try(MOST_TRIES) is None
