"""The commands under ``ltforge keys``, for the database that LTFORGE_DATABASE_URL names."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from ltforge.command_line import keys
from ltforge.command_line.failures import named_failures
from ltforge.command_line.printing import JsonOption, print_json

key_commands = typer.Typer(
    no_args_is_help=True, help="Make, list, rotate and revoke API keys in the service's database."
)


class Scope(StrEnum):
    """What a key is good for; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


TenantOption = Annotated[str, typer.Option("--tenant", help="Whose key.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_...")]


@key_commands.command()
def create(
    tenant: Annotated[str, typer.Option("--tenant", help="Whose key; created if new.")] = "default",
    name: Annotated[str, typer.Option("--name", help="What the key is for.")] = "command line",
    scope: Annotated[
        list[Scope] | None, typer.Option("--scope", help="May be repeated; default: all.")
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", min=0, help="Valid for; default: for ever.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make an API key and print it: the only time it is shown."""
    with named_failures(as_json=as_json):
        text = keys.create(tenant=tenant, name=name, scopes=scope or list(Scope), days=days)
    _print_key(text, as_json=as_json)


def _print_key(text: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"key": text})
    else:
        typer.echo(text)


@key_commands.command("list")
def list_keys(
    tenant: TenantOption = "default",
    as_json: JsonOption = False,
) -> None:
    """List a tenant's keys, newest first."""
    with named_failures(as_json=as_json):
        found = keys.listing(tenant=tenant)
    if as_json:
        print_json(found)
        return
    for key in found:
        state = "revoked" if key["revoked_at"] else f"used {key['last_used_at'] or 'never'}"
        typer.echo(f"{key['id']}  {'+'.join(key['scopes']):<16}  {state}  {key['name']}")


@key_commands.command()
def rotate(
    key: KeyArgument,
    tenant: TenantOption = "default",
    grace_seconds: Annotated[
        float, typer.Option("--grace-seconds", min=0, help="How long the old secret stays valid.")
    ] = 86400.0,
    as_json: JsonOption = False,
) -> None:
    """Give a key a new secret and print it."""
    with named_failures(as_json=as_json):
        text = keys.rotate(tenant=tenant, key_id=key, grace_seconds=grace_seconds)
    _print_key(text, as_json=as_json)


@key_commands.command()
def revoke(key: KeyArgument, tenant: TenantOption = "default", as_json: JsonOption = False) -> None:
    """End a key for good."""
    with named_failures(as_json=as_json):
        keys.revoke(tenant=tenant, key_id=key)
    if as_json:
        print_json({"revoked": key})
