"""`castle down`."""

from __future__ import annotations

import asyncio

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.confirm import confirm_name
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common, confirm_option
from ephemeral_castle.cli.told import Teller
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.listings import answer_text


@click.command(
    "down",
    cls=VerbCommand,
    examples=(
        ("castle down", "asks for the castle's name, then removes it from this computer"),
        ("castle down --confirm here", "without a terminal"),
        ("castle down --confirm here --json", "for scripts: what was removed"),
    ),
    exit_codes=(exit_codes.FAILED, exit_codes.UNCONFIRMED, exit_codes.REFUSED, 11),
)
@confirm_option
@common(progress=True)
def command(told: Common, confirm: str | None) -> int:
    """Remove the castle from this computer, with every trace of it.

    Machines, networks and state go, and with `server: here` the treasury and all backups in it.
    Nothing is proven or sealed first; `castle wipe` does that.
    """
    castle = load(told)
    what = f"This removes castle {castle.name} from this computer without any proof."
    if castle.treasury.server == "here":
        what += " Its treasury is kept here: all backups go too."
    confirm_name(castle.name, confirm, what, as_json=told.json)
    answer = asyncio.run(wiring().take_down(castle, told.site, Teller(told.progress)))
    click.echo(dumps({"kind": "down", **answer}) if told.json else answer_text(answer))
    return 0
