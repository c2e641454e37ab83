"""The commands under ``ltforge tenants``, for the database that LTFORGE_DATABASE_URL names."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from ltforge.command_line import tenants
from ltforge.command_line.failures import named_failures

tenant_commands = typer.Typer(
    no_args_is_help=True, help="Show the service's tenants and set their limits, in its database."
)

_LARGEST = 2**31 - 1
_LARGEST_BYTES = 2**63 - 1
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's name.")]


def _limit(flag: str, what: str, largest: int = _LARGEST) -> Any:
    return typer.Option(flag, min=0, max=largest, help=what)


@tenant_commands.command("list")
def list_tenants(as_json: JsonOption = False) -> None:
    """List all tenants, oldest first."""
    with named_failures(as_json=as_json):
        found = tenants.listing()
    if as_json:
        typer.echo(json.dumps(found))
        return
    for tenant in found:
        now, limits = tenant["now"], tenant["limits"]
        typer.echo(
            f"{tenant['id']}  {now['queued_jobs']} queued, {now['running_jobs']} running, "
            f"{now['stored_bytes']} of {limits['stored_bytes']} bytes  {tenant['name']}"
        )


@tenant_commands.command()
def show(tenant: TenantArgument, as_json: JsonOption = False) -> None:
    """Show what a tenant has and what it may have."""
    with named_failures(as_json=as_json):
        found = tenants.shown(tenant=tenant)
    _print(found, as_json=as_json)


@tenant_commands.command()
def limit(
    tenant: TenantArgument,
    requests: Annotated[int | None, _limit("--requests", "In each window.")] = None,
    queued_jobs: Annotated[int | None, _limit("--queued-jobs", "At a time.")] = None,
    running_jobs: Annotated[int | None, _limit("--running-jobs", "At a time.")] = None,
    stored_bytes: Annotated[
        int | None, _limit("--stored-bytes", "Uploads, tickets, exports.", _LARGEST_BYTES)
    ] = None,
    uploads: Annotated[int | None, _limit("--uploads", "Under way at a time.")] = None,
    reset: Annotated[
        list[str] | None,
        typer.Option("--reset", help="A limit to be as the settings have it; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Set limits of a tenant; those that are not named stay. They count within seconds."""
    given: dict[str, int | None] = {
        "requests": requests,
        "queued_jobs": queued_jobs,
        "running_jobs": running_jobs,
        "stored_bytes": stored_bytes,
        "uploads": uploads,
    }
    changes: dict[str, int | None] = {
        name: value for name, value in given.items() if value is not None
    }
    for name in reset or []:
        plain = name.replace("-", "_")
        if plain not in given or plain in changes:
            known = ", ".join(name.replace("_", "-") for name in given)
            raise typer.BadParameter(f"{name!r} is not one of {known}, or is set too")
        changes[plain] = None
    if not changes:
        raise typer.BadParameter("name at least one limit to set or to reset")
    with named_failures(as_json=as_json):
        found = tenants.limited(tenant=tenant, changes=changes)
    _print(found, as_json=as_json)


def _print(tenant: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(tenant))
        return
    typer.echo(f"{tenant['id']}  {tenant['name']}")
    for name, most in tenant["limits"].items():
        now = tenant["now"].get(name)
        typer.echo(f"  {name:<16} {most}" + ("" if now is None else f"  (now {now})"))
