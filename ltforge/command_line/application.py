"""The commands and their options. What they do is in the modules beside this one.

This module is what ``ltforge --help`` loads, so it imports nothing heavy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ltforge import __version__
from ltforge.command_line import service_commands
from ltforge.command_line.failures import named_failures
from ltforge.command_line.job_commands import job_commands, sweep
from ltforge.command_line.key_commands import key_commands
from ltforge.command_line.printing import JsonOption, print_document, print_json
from ltforge.command_line.publishing import publish
from ltforge.command_line.remote_tickets import ticket_commands
from ltforge.command_line.tenant_commands import tenant_commands
from ltforge.command_line.upload_commands import checkpoint_commands, dataset_commands

application = typer.Typer(
    help="Strong lottery tickets: prune a seeded random network until it computes a trained one.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

CheckpointArgument = Annotated[
    Path, typer.Argument(help="The trained network: safetensors or a PyTorch state_dict.")
]
SpecOption = Annotated[
    str,
    typer.Option(
        "--spec", help="The construction spec: a JSON file, - for stdin, or JSON starting with {."
    ),
]


@application.command()
def construct(
    checkpoint: CheckpointArgument,
    spec: SpecOption,
    out: Annotated[Path, typer.Option("--out", help="Where the ticket file goes.")],
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="An npz file with x and y to evaluate on.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; the ticket is the same.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Construct a ticket of a trained network, verify it, and report."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import engine_commands  # noqa: PLC0415 - loads rich's progress

        asked = engine_commands.Construction(checkpoint, spec, out, dataset, threads)
        report = engine_commands.construct(asked)
    if as_json:
        print_json(report)
        return
    from rich.console import Console  # noqa: PLC0415

    from ltforge.command_line.reports import report_table  # noqa: PLC0415

    Console().print(report_table(f"{checkpoint.name} → {out}", {"ticket": report}))


@application.command()
def verify(
    ticket: Annotated[Path, typer.Argument(help="The ticket file.")],
    checkpoint: CheckpointArgument,
    as_json: JsonOption = False,
) -> None:
    """Check a ticket against its checkpoint, trusting nobody; exit status 1 if it is not one."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import engine_commands  # noqa: PLC0415

        verdict = engine_commands.verify(ticket, checkpoint)
    if as_json:
        print_json(verdict)
    else:
        typer.echo(_verdict_text(verdict))
    raise typer.Exit(0 if verdict["valid"] else 1)


TicketArgument = Annotated[
    str, typer.Argument(help="The ticket file, or the id of one on the service (tkt_...).")
]


@application.command()
def export(
    ticket: TicketArgument,
    form: Annotated[
        str,
        typer.Option("--format", help="state_dict, safetensors, sparse_safetensors, npz or onnx."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Where the exported file goes.")],
    as_json: JsonOption = False,
) -> None:
    """Write a ticket's network in a format that needs none of our code."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import ticket_commands as work  # noqa: PLC0415

        document = work.export(ticket, form, out)
    print_document(f"{ticket} → {out}", document, as_json=as_json)


@application.command()
def compare(first: TicketArgument, second: TicketArgument, as_json: JsonOption = False) -> None:
    """Say how two tickets differ, and how much of their masks is the same."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import ticket_commands as work  # noqa: PLC0415

        document = work.compare(first, second)
    print_document(f"{first} and {second}", document, as_json=as_json)


@application.command()
def plan(checkpoint: CheckpointArgument, spec: SpecOption, as_json: JsonOption = False) -> None:
    """Say what a construction would build, without building it."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import engine_commands  # noqa: PLC0415

        document = engine_commands.plan(checkpoint, spec)
    print_document(f"plan for {checkpoint.name}", document, as_json=as_json)


@application.command()
def estimate(
    checkpoint: CheckpointArgument,
    spec: SpecOption,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", help="An npz file with x and y to evaluate on.")
    ] = None,
    replicates: Annotated[
        int, typer.Option("--replicates", min=1, max=100, help="Sources to estimate with.")
    ] = 3,
    as_json: JsonOption = False,
) -> None:
    """Estimate a ticket's parameters and accuracy from a sample of its problems, solved exactly."""
    with named_failures(as_json=as_json):
        from ltforge.command_line import statistics_commands  # noqa: PLC0415

        asked = statistics_commands.Estimation(checkpoint, spec, dataset, replicates)
        document = statistics_commands.estimate(asked)
    print_document(f"estimate for {checkpoint.name}", document, as_json=as_json)


@application.command()
def statistics(
    distribution: Annotated[
        str,
        typer.Option(
            "--distribution", help="uniform, uniform_product, normal or normal_product candidates."
        ),
    ] = "uniform",
    candidates: Annotated[
        int, typer.Option("--candidates", help="Candidates offered to one problem.")
    ] = 20,
    tolerance: Annotated[float, typer.Option("--tolerance", help="Allowed absolute error.")] = 0.01,
    target: Annotated[
        str, typer.Option("--target", help="A number, or uniform for targets uniform on [-1, 1].")
    ] = "uniform",
    largest_subset: Annotated[
        int | None, typer.Option("--largest-subset", help="Most elements of a solution.")
    ] = None,
    trials: Annotated[int, typer.Option("--trials", help="Problems to solve.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="Of the source.")] = 0,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table", help="Measure the engine's whole planning table into this file instead."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Solve random subset-sum problems: how many fail, and how many elements the others need."""
    question = {
        "distribution": distribution,
        "candidates": candidates,
        "tolerance": tolerance,
        "target": target,
        "largest_subset": largest_subset,
        "trials": trials,
        "seed": seed,
    }
    with named_failures(as_json=as_json):
        from ltforge.command_line import statistics_commands  # noqa: PLC0415

        if table is None:
            document = statistics_commands.measure(question)
        else:
            document = statistics_commands.measure_table(table)
    print_document("random subset-sum problems", document, as_json=as_json)


@application.command()
def serve(
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65535, help="Port of the API.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder for the database and files.")
    ] = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
) -> None:
    """Serve the embedded default: API, worker and housekeeper over one data folder."""
    with named_failures(as_json=False):
        from ltforge.command_line import serving  # noqa: PLC0415

        status = serving.serve(port=port, data=data, host=host)
    raise typer.Exit(status)


@application.command(hidden=True)
def create_key(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose key; created if new.")] = "default",
    name: Annotated[str, typer.Option("--name", help="What the key is for.")] = "command line",
) -> None:
    """The short form of `ltforge keys create`, for a key with every scope."""
    with named_failures(as_json=False):
        from ltforge.command_line import keys  # noqa: PLC0415

        typer.echo(keys.create(tenant=tenant, name=name))


application.add_typer(key_commands, name="keys")
application.add_typer(tenant_commands, name="tenants")
application.add_typer(checkpoint_commands, name="checkpoints")
application.add_typer(dataset_commands, name="datasets")
application.add_typer(job_commands, name="jobs")
application.add_typer(ticket_commands, name="tickets")
application.command()(sweep)
application.command()(publish)
application.command("worker")(service_commands.worker)
application.command("migrate")(service_commands.migrate)
application.command("gc")(service_commands.gc)
application.command("doctor")(service_commands.doctor)


@application.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _verdict_text(verdict: dict[str, Any]) -> str:
    if verdict["valid"]:
        claimed = {k: v for k, v in (verdict["tolerance"] or {}).items() if v is not None}
        tolerance = ", ".join(f"{kind} tolerance {value:g}" for kind, value in claimed.items())
        error = verdict["largest_parameter_error"]
        return f"valid: largest parameter error {error:.8f}, claimed {tolerance}"
    return "\n".join(["not valid:", *(f"  {reason}" for reason in verdict["reasons"])])
