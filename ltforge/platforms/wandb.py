"""Weights & Biases: a finished construction as a run, and its ticket as an artifact of that run.

Needs ``pip install 'ltforge[wandb]'``; the key and the server are what ``wandb login``,
``WANDB_API_KEY`` and ``WANDB_BASE_URL`` say. Where ``WANDB_MODE`` is ``offline`` the run stays in
``WANDB_DIR`` until ``wandb sync`` takes it along.
"""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import wandb

from ltforge.platforms.finished_job import FinishedJob, identity, metrics, series, write_documents

_LONGEST_TAG = 64
# What the steps of a series count, by the first part of its name.
_STEPS = {
    "layer": "source_layer",
    "base_set": "target_layer",
    "subset_size": "subset_elements",
}


@dataclass(frozen=True, slots=True)
class WandbPlace:
    """Where runs go.

    Attributes:
        project: made if there is none of the name.
        entity: user or team; None: the account's own default.
    """

    project: str = "ltforge"
    entity: str | None = None


def log_job(job: FinishedJob, place: WandbPlace) -> str:
    """Make the run of a job; the run's id, which follows from the job's.

    So a second call for the same job goes on with its run and leaves no other beside it.

    Raises:
        wandb.errors.Error: nobody is logged in, or the server does not answer.
        ValueError: the server did not take the artifact.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = wandb.init(
            project=place.project,
            entity=place.entity,
            id=_run_id(job),
            resume="allow",
            name=job.id,
            job_type="construction",
            tags=[f"{name}={value}"[:_LONGEST_TAG] for name, value in job.labels.items()],
            notes=": ".join(job.error) if job.error else None,
            config={"specification": job.specification, "ltforge": identity(job)},
            settings=wandb.Settings(
                console="off",
                save_code=False,
                # the machine that publishes is not the one that constructed
                x_disable_stats=True,
                x_disable_machine_info=True,
            ),
        )
        try:
            _log_figures(run, job)
            _log_files(run, job, Path(folder))
        except BaseException:
            run.finish(exit_code=1)
            raise
        run.finish(exit_code=1 if job.error else 0)
    return str(run.id)


def _run_id(job: FinishedJob) -> str:
    """Of the letters and the length that a run's id may have, whatever the job's has."""
    return hashlib.sha256(job.id.encode()).hexdigest()[:32]


def _log_figures(run: wandb.Run, job: FinishedJob) -> None:
    for group, step in _STEPS.items():
        run.define_metric(step, hidden=True)
        run.define_metric(f"{group}.*", step_metric=step)
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for name, number, value in series(job):
        group = name.partition(".")[0]
        rows.setdefault((group, number), {_STEPS[group]: number})[name] = value
    for row in rows.values():
        run.log(row)
    run.summary.update(metrics(job))


def _log_files(run: wandb.Run, job: FinishedJob, folder: Path) -> None:
    documents = write_documents(job, folder)
    if job.ticket is None and not documents:
        return
    known = identity(job)
    artifact = wandb.Artifact(
        f"ticket-{known.get('ticket_digest', job.id)[:16]}",
        type="strong-lottery-ticket" if job.ticket else "report",
        metadata=dict(known),
    )
    for path in documents:
        artifact.add_file(str(path))
    if job.ticket is not None:
        artifact.add_file(str(job.ticket), name="ticket.safetensors")
    logged = run.log_artifact(artifact)
    if not run.offline:
        logged.wait()
