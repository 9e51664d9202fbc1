"""`castle secret`."""

from __future__ import annotations

import asyncio
import sys

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.errors import UsageError
from ephemeral_castle.views.jsonl import dumps


@click.command(
    "secret",
    cls=VerbCommand,
    examples=(
        ("castle secret list", "names, never values"),
        ("castle secret put dns/tsig < tsig.txt", "keep one in the treasury, encrypted to the key file"),
        ("castle secret get database/user/app | xclip", "print one"),
    ),
    exit_codes=(exit_codes.FAILED, exit_codes.REFUSED),
)
@click.argument("action", type=click.Choice(["list", "get", "put", "delete"]))
@click.argument("name", required=False)
@click.option("--new", is_flag=True, help="Make the key file first, for a castle that was never raised.")
@common()
def command(told: Common, action: str, name: str | None, **flags: bool) -> int:
    """List, print, store or delete a secret of the castle.

    `put` takes the value from standard input, without a last line end; it stands in no argument and no history. Secrets
    that castle makes itself (passwords of users, ciphers) lie in the same place: do not delete what a backup needs.
    """
    if (action == "list") != (name is None):
        raise UsageError("`castle secret list` takes no name, the others take one", hints=["castle secret --help"])
    value = _value() if action == "put" else ""
    found = asyncio.run(wiring().secret(load(told), told.site, action, name or "", value, new=flags["new"]))
    if told.json:
        click.echo(dumps({"kind": "secret", **found}))
    elif action == "get":
        click.echo(found["value"])
    elif action == "list":
        click.echo("\n".join(found["names"]))
    else:
        click.echo(f"{name}: {found['done']}")
    return 0


def _value() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("value", hide_input=True))
    value = sys.stdin.read().removesuffix("\n")
    if not value:
        raise UsageError("standard input is empty", hints=["castle secret put NAME < FILE"])
    return value
