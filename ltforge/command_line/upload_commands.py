"""``ltforge checkpoints`` and ``ltforge datasets``: files on the service."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from ltforge.command_line.printing import JsonOption, print_document, print_records
from ltforge.command_line.remote import remote_client, upload
from ltforge.platforms.mlflow_checkpoint import SCHEMES, fetch_checkpoint

checkpoint_commands = typer.Typer(
    no_args_is_help=True, help="Upload and list trained networks on the service."
)
dataset_commands = typer.Typer(
    no_args_is_help=True, help="Upload, list and delete data sets on the service."
)

NameOption = Annotated[str | None, typer.Option("--name", help="For people; default: the file's.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")]
_COLUMNS = ("id", "name", "status", "bytes", "created_at")


CheckpointArgument = Annotated[str, typer.Argument(help="ckp_...")]
DatasetArgument = Annotated[str, typer.Argument(help="dst_...")]


@checkpoint_commands.command("upload")
def upload_checkpoint(
    file: Annotated[
        str,
        typer.Argument(
            help="safetensors, a PyTorch state_dict, or ONNX; also out of MLflow: "
            "models:/NAME/VERSION or runs:/ID/PATH."
        ),
    ],
    name: NameOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a trained network and wait until the service has read it."""
    with remote_client(as_json=as_json) as client, TemporaryDirectory() as folder:
        if file.startswith(SCHEMES):
            path, name = fetch_checkpoint(file, Path(folder)), name or file
        else:
            path = Path(file)
        uploaded = upload(client, "checkpoint", path, name)
    print_document(uploaded.id, uploaded, as_json=as_json)


@checkpoint_commands.command("list")
def list_checkpoints(limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List checkpoints, newest first."""
    with remote_client(as_json=as_json) as client:
        found = client.list_checkpoints().first(limit)
    print_records("checkpoints", found, _COLUMNS, as_json=as_json)


@checkpoint_commands.command("show")
def show_checkpoint(checkpoint: CheckpointArgument, as_json: JsonOption = False) -> None:
    """Show a checkpoint and what was found in it."""
    with remote_client(as_json=as_json) as client:
        found = client.get_checkpoint(checkpoint)
    print_document(found.id, found, as_json=as_json)


@checkpoint_commands.command("delete")
def delete_checkpoint(checkpoint: CheckpointArgument, as_json: JsonOption = False) -> None:
    """Delete a checkpoint that no unfinished job uses."""
    with remote_client(as_json=as_json) as client:
        client.delete_checkpoint(checkpoint)
    print_document(checkpoint, {"deleted": checkpoint}, as_json=as_json)


@dataset_commands.command("upload")
def upload_dataset(
    path: Annotated[Path, typer.Argument(help="An npz file with arrays x and y.")],
    name: NameOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a data set and wait until the service has read it."""
    with remote_client(as_json=as_json) as client:
        uploaded = upload(client, "dataset", path, name)
    print_document(uploaded.id, uploaded, as_json=as_json)


@dataset_commands.command("list")
def list_datasets(limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """List data sets, newest first."""
    with remote_client(as_json=as_json) as client:
        found = client.list_datasets().first(limit)
    print_records("data sets", found, _COLUMNS, as_json=as_json)


@dataset_commands.command("show")
def show_dataset(dataset: DatasetArgument, as_json: JsonOption = False) -> None:
    """Show a data set."""
    with remote_client(as_json=as_json) as client:
        found = client.get_dataset(dataset)
    print_document(found.id, found, as_json=as_json)


@dataset_commands.command("delete")
def delete_dataset(dataset: DatasetArgument, as_json: JsonOption = False) -> None:
    """Delete a data set that no unfinished job uses."""
    with remote_client(as_json=as_json) as client:
        client.delete_dataset(dataset)
    print_document(dataset, {"deleted": dataset}, as_json=as_json)
