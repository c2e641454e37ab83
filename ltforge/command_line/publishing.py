"""``ltforge publish``: a ticket onto the platform that somebody keeps models on."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ltforge.command_line.arguments import existing_file
from ltforge.command_line.failures import CommandError, named_failures
from ltforge.command_line.printing import JsonOption, print_document
from ltforge.extras import needing

if TYPE_CHECKING:
    from ltforge.platforms.finished_job import FinishedJob


def publish(
    ticket: Annotated[
        str, typer.Argument(help="The ticket file, or the id of one on the service (tkt_...).")
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="mlflow, mlflow://EXPERIMENT (at MLFLOW_TRACKING_URI), wandb, wandb://PROJECT, "
            "wandb://ENTITY/PROJECT, or hf://OWNER/NAME (made private where it is new).",
        ),
    ],
    register: Annotated[
        str | None,
        typer.Option("--register", help="Make it a version of this registered model of MLflow's."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put a ticket on MLflow, on Weights & Biases, or on the Hugging Face Hub."""
    with named_failures(as_json=as_json):
        platform, _, name = to.partition("://")
        # MLflow and wandb print where runs can be seen.
        with redirect_stdout(sys.stderr):
            if platform == "mlflow":
                document = _log_to_mlflow(ticket, name or "ltforge", register)
            elif platform == "hf" and name.count("/") == 1:
                document = _push(ticket, name)
            elif platform == "wandb" and name.count("/") <= 1:
                document = _log_to_wandb(ticket, name or "ltforge")
            else:
                known = "mlflow, mlflow://EXPERIMENT, wandb, wandb://PROJECT, or hf://OWNER/NAME"
                raise CommandError("UNKNOWN_PLATFORM", f"{to!r} is not {known}")
    print_document(ticket, document, as_json=as_json)


def _log_to_mlflow(ticket: str, experiment: str, register: str | None) -> dict[str, Any]:
    with needing("publish"):
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        from ltforge.platforms.mlflow import MlflowPlace, log_job  # noqa: PLC0415
    place = MlflowPlace(experiment=experiment, registered_model=register)
    try:
        with _finished_job(ticket) as job:
            return {"run": log_job(job, place), "experiment": experiment}
    except MlflowException as failure:
        raise CommandError("MLFLOW_REFUSED", str(failure)) from failure


def _log_to_wandb(ticket: str, project: str) -> dict[str, Any]:
    with needing("publish"):
        from wandb.errors import Error  # noqa: PLC0415

        from ltforge.platforms.wandb import WandbPlace, log_job  # noqa: PLC0415
    entity, _, name = project.rpartition("/")
    place = WandbPlace(project=name, entity=entity or None)
    try:
        with _finished_job(ticket) as job:
            return {"run": log_job(job, place), "project": project}
    except (Error, ValueError) as failure:
        raise CommandError("WANDB_REFUSED", str(failure)) from failure


def _push(ticket: str, repository: str) -> dict[str, Any]:
    with needing("publish"):
        from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError  # noqa: PLC0415

        from ltforge.platforms.huggingface import push  # noqa: PLC0415
    try:
        with _finished_job(ticket) as job:
            return {"commit": push(job, repository), "repository": repository}
    except (HfHubHTTPError, LocalTokenNotFoundError) as failure:
        raise CommandError("HUB_REFUSED", str(failure)) from failure


@contextmanager
def _finished_job(ticket: str) -> Iterator[FinishedJob]:
    """What is known of a ticket file, or of a ticket on the service."""
    from ltforge.platforms.finished_job import FinishedJob  # noqa: PLC0415 - loads httpx

    if not ticket.startswith("tkt_") or Path(ticket).exists():
        yield FinishedJob.of_ticket_file(existing_file(Path(ticket), "ticket"))
        return
    from ltforge.client import Client  # noqa: PLC0415

    with Client.from_environment() as client, tempfile.TemporaryDirectory() as folder:
        yield FinishedJob.of_ticket_on_the_service(client, ticket, Path(folder))
