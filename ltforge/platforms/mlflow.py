"""MLflow 3: a finished construction as a run, and its ticket as a model of that run.

>>> from ltforge.platforms.finished_job import FinishedJob
>>> from ltforge.platforms.mlflow import MlflowPlace, log_job
>>> log_job(FinishedJob.of_ticket_file("ticket.safetensors"), MlflowPlace())  # doctest: +SKIP

Needs ``pip install 'ltforge[mlflow]'``. Nothing global is changed: neither MLflow's tracking URI
nor its active run.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode

from ltforge.platforms.finished_job import (
    FinishedJob,
    identity,
    metrics,
    parameters,
    series,
    write_documents,
)

MODEL_NAME = "ticket"
# The server's own limits of one request.
_MOST_METRICS, _MOST_PARAMETERS = 1000, 100
_LONGEST_TAG = 5000
_RUNNING = "RUNNING"


@dataclass(frozen=True, slots=True)
class MlflowPlace:
    """Where runs go.

    Attributes:
        tracking_uri: of the server; None: as MLflow's own variables say.
        experiment: made if there is none of the name.
        registered_model: whose versions the tickets become; None: of none.
        largest_model: a ticket of more kept cells than this is logged as a file alone.
    """

    tracking_uri: str | None = None
    experiment: str = "ltforge"
    registered_model: str | None = None
    largest_model: int = 5_000_000


def log_job(job: FinishedJob, place: MlflowPlace) -> str:
    """Make the run of a job, unless it is there already; the run's id.

    A run that was begun for this job and never finished, because whoever made it died, is deleted
    and made anew. So this may be repeated until it succeeds.

    Raises:
        MlflowException: the server did not take it, or does not answer.
    """
    client = MlflowClient(place.tracking_uri)
    experiment_id = _experiment(client, place.experiment)
    for run in client.search_runs([experiment_id], f"tags.`ltforge.job_id` = '{job.id}'"):
        if run.info.status != _RUNNING:
            return str(run.info.run_id)
        _forget(client, experiment_id, run.info.run_id)
    tags = {f"ltforge.{name}": value[:_LONGEST_TAG] for name, value in identity(job).items()}
    tags |= {"mlflow.source.name": "ltforge", "mlflow.source.type": "JOB"}
    run_id = str(
        client.create_run(
            experiment_id, start_time=_milliseconds(job.started), tags=tags, run_name=job.id
        ).info.run_id
    )
    _log_figures(client, run_id, job)
    with tempfile.TemporaryDirectory() as folder:
        _log_files(client, run_id, job, Path(folder))
        if job.ticket is not None:
            _log_model(client, experiment_id, run_id, job, place, Path(folder) / "model")
    status = "FAILED" if job.error else "FINISHED"
    client.set_terminated(run_id, status, _milliseconds(job.finished))
    return run_id


def is_reachable(place: MlflowPlace) -> bool:
    """Whether the server answers, and lets us in."""
    try:
        MlflowClient(place.tracking_uri).search_experiments(max_results=1)
    except MlflowException:
        return False
    return True


def _experiment(client: MlflowClient, name: str) -> str:
    found = client.get_experiment_by_name(name)
    try:
        return str(client.create_experiment(name) if found is None else found.experiment_id)
    except MlflowException as failure:
        if not _exists(failure):
            raise
        # Somebody else made it a moment ago.
        return _experiment(client, name)


def _forget(client: MlflowClient, experiment_id: str, run_id: str) -> None:
    """Delete a run that was never finished, with its model."""
    for model in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        client.delete_logged_model(model.model_id)
    client.delete_run(run_id)


def _log_figures(client: MlflowClient, run_id: str, job: FinishedJob) -> None:
    moment = _milliseconds(job.finished) or 0
    points = [Metric(name, value, moment, 0) for name, value in metrics(job).items()]
    points += [Metric(name, value, moment, step) for name, step, value in series(job)]
    said = [Param(name, value) for name, value in parameters(job).items()]
    for start in range(0, len(points), _MOST_METRICS):
        client.log_batch(run_id, metrics=points[start : start + _MOST_METRICS])
    for start in range(0, len(said), _MOST_PARAMETERS):
        client.log_batch(run_id, params=said[start : start + _MOST_PARAMETERS])
    if job.error is not None:
        client.log_batch(run_id, tags=[RunTag("mlflow.note.content", ": ".join(job.error))])


def _log_files(client: MlflowClient, run_id: str, job: FinishedJob, folder: Path) -> None:
    for path in write_documents(job, folder):
        client.log_artifact(run_id, str(path))
    if job.ticket is not None:
        path = folder / "ticket.safetensors"
        path.symlink_to(job.ticket.absolute())
        client.log_artifact(run_id, str(path))


def _log_model(
    client: MlflowClient,
    experiment_id: str,
    run_id: str,
    job: FinishedJob,
    place: MlflowPlace,
    folder: Path,
) -> None:
    from ltengine.ticket_file import read_ticket_bytes  # noqa: PLC0415 - loads the engine

    assert job.ticket is not None
    ticket, digest = read_ticket_bytes(job.ticket.read_bytes())
    if ticket.parameters > place.largest_model:
        client.set_tag(run_id, "ltforge.model", f"left out: {ticket.parameters} kept cells")
        return
    from ltforge.platforms.mlflow_model import save_model  # noqa: PLC0415 - loads torch

    logged = client.create_logged_model(
        experiment_id,
        name=MODEL_NAME,
        source_run_id=run_id,
        params=parameters(job),
        tags={f"ltforge.{name}": value[:_LONGEST_TAG] for name, value in identity(job).items()},
        model_type="strong lottery ticket",
    )
    described = Model(
        artifact_path=logged.artifact_location,
        run_id=run_id,
        model_id=logged.model_id,
        model_uuid=logged.model_id,
        metadata={"ltforge_ticket": digest, "seed": ticket.source.seed},
    )
    save_model(ticket, folder, described)
    client.log_model_artifacts(logged.model_id, str(folder))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    if place.registered_model:
        _register(client, place.registered_model, run_id, logged.model_id, job)


def _register(
    client: MlflowClient, name: str, run_id: str, model_id: str, job: FinishedJob
) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as failure:
        if not _exists(failure):
            raise
    client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id,
        tags={f"ltforge.{key}": value for key, value in identity(job).items()},
        model_id=model_id,
    )


def _exists(failure: MlflowException) -> bool:
    return bool(failure.error_code == ErrorCode.Name(RESOURCE_ALREADY_EXISTS))


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
