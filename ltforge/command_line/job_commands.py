"""``ltforge jobs`` and ``ltforge sweep``: work on the service."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ltforge.command_line.arguments import read_spec, read_sweep
from ltforge.command_line.printing import (
    JsonOption,
    plain,
    print_document,
    print_records,
)
from ltforge.command_line.remote import follow_batch, follow_job, remote_client

job_commands = typer.Typer(no_args_is_help=True, help="Submit, follow and end jobs on the service.")

JobArgument = Annotated[str, typer.Argument(help="job_...")]
SpecOption = Annotated[
    str, typer.Option("--spec", help="The spec: a JSON file, - for stdin, or JSON.")
]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", help="dst_..., to measure accuracies on.")
]
WaitOption = Annotated[bool, typer.Option("--wait", help="Wait for the end, with progress.")]
TimeoutOption = Annotated[float, typer.Option("--timeout", min=0, help="Seconds to wait at most.")]
_COLUMNS = ("id", "kind", "status", "progress", "checkpoint_id", "created_at")


@job_commands.command("submit")
def submit(
    checkpoint: Annotated[str, typer.Argument(help="ckp_...")],
    spec: SpecOption,
    dataset: DatasetOption = None,
    kind: Annotated[str, typer.Option("--kind", help="construct or estimate.")] = "construct",
    label: Annotated[
        list[str] | None, typer.Option("--label", help="name=value; may be repeated.")
    ] = None,
    wait: WaitOption = False,
    timeout: TimeoutOption = 3600.0,
    as_json: JsonOption = False,
) -> None:
    """Submit a job for a checkpoint on the service."""
    with remote_client(as_json=as_json) as client:
        labels = dict(_pair(item) for item in label or [])
        job = client.submit(checkpoint, read_spec(spec), dataset, labels, kind=kind)
        if wait:
            job = follow_job(job, timeout)
    print_document(job.id, job, as_json=as_json)


def _pair(item: str) -> tuple[str, str]:
    name, equals, value = item.partition("=")
    if not equals or not name:
        raise typer.BadParameter(f"{item!r} must be name=value", param_hint="--label")
    return name, value


@job_commands.command("list")
def list_jobs(
    status: Annotated[str | None, typer.Option("--status", help="Of this state alone.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Of this kind alone.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="name=value.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The newest so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    with remote_client(as_json=as_json) as client:
        found = client.list_jobs(status=status, kind=kind, label=label).first(limit)
    print_records("jobs", found, _COLUMNS, as_json=as_json)


@job_commands.command("show")
def show(job: JobArgument, as_json: JsonOption = False) -> None:
    """Show a job: progress, reason of failure, report."""
    with remote_client(as_json=as_json) as client:
        found = client.get_job(job)
    print_document(found.id, found, as_json=as_json)


@job_commands.command("wait")
def wait_for(
    job: JobArgument, timeout: TimeoutOption = 3600.0, as_json: JsonOption = False
) -> None:
    """Wait for a job's end, with progress; exit status 1 if it fails."""
    with remote_client(as_json=as_json) as client:
        done = follow_job(client.get_job(job), timeout)
    print_document(done.id, done, as_json=as_json)


@job_commands.command("events")
def events(
    job: JobArgument,
    after: Annotated[int, typer.Option("--after", min=0, help="Only later events.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Print a job's events as they happen, until it has ended; with --json one object a line."""
    with remote_client(as_json=as_json) as client:
        for event in client.iter_events(job, after=after, progress=False):
            typer.echo(
                json.dumps(plain(event))
                if as_json
                else f"{event.seq:>5}  {event.created_at}  {event.type}  {json.dumps(event.data)}"
            )


@job_commands.command("log")
def log(job: JobArgument, as_json: JsonOption = False) -> None:
    """Print what a job's attempts wrote."""
    with remote_client(as_json=as_json) as client:
        text = client.get_job_log(job)
    if as_json:
        print_document(job, {"log": text}, as_json=True)
    else:
        typer.echo(text, nl=False)


@job_commands.command("cancel")
def cancel(
    job: JobArgument,
    reason: Annotated[str | None, typer.Option("--reason", help="For people.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask a job to stop."""
    with remote_client(as_json=as_json) as client:
        found = client.cancel_job(job, reason)
    print_document(found.id, found, as_json=as_json)


@job_commands.command("retry")
def retry(job: JobArgument, as_json: JsonOption = False) -> None:
    """Submit a finished job again, as a new one."""
    with remote_client(as_json=as_json) as client:
        found = client.retry_job(job)
    print_document(found.id, found, as_json=as_json)


@job_commands.command("delete")
def delete(job: JobArgument, as_json: JsonOption = False) -> None:
    """Delete a finished job whose ticket is gone."""
    with remote_client(as_json=as_json) as client:
        client.delete_job(job)
    print_document(job, {"deleted": job}, as_json=as_json)


def sweep(
    checkpoint: Annotated[str, typer.Argument(help="ckp_...")],
    spec: SpecOption,
    over: Annotated[
        list[str],
        typer.Option("--over", help="FIELD=JSON, such as tolerance.parameter=[0.01,0.02]."),
    ],
    dataset: DatasetOption = None,
    name: Annotated[str, typer.Option("--name", help="For people.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check and count.")] = False,
    wait: WaitOption = False,
    timeout: TimeoutOption = 3600.0,
    as_json: JsonOption = False,
) -> None:
    """Construct tickets on the service for every combination of swept fields of the spec."""
    with remote_client(as_json=as_json) as client:
        base, swept = read_spec(spec), read_sweep(over)
        if dry_run:
            counted = client.count_sweep(checkpoint, base, swept)
            print_document("sweep", counted, as_json=as_json)
            return
        batch = client.sweep(checkpoint, base, swept, dataset, name=name)
        if not wait:
            print_document(batch.id, batch, as_json=as_json)
            return
        results = follow_batch(batch, timeout).results()
    if as_json:
        print_document(batch.id, results, as_json=True)
    else:
        _print_groups(batch.id, results)


def _print_groups(title: str, results: Any) -> None:
    names = ("spec", "jobs", "succeeded", "metrics")
    print_records(title, results.groups, names, as_json=False)
