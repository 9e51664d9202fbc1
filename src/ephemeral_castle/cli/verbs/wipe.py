"""`castle wipe`."""

from __future__ import annotations

from typing import Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.confirm import confirm_name
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common, confirm_option, detach_option, prove_option
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb


@click.command(
    "wipe",
    cls=VerbCommand,
    examples=(
        ("castle wipe", "asks for the castle's name, seals the treasures, destroys the machines"),
        ("castle wipe --confirm tazlab --json", "for scripts"),
        ("castle wipe --abandon-data --confirm tazlab", "gives up what was written since the last archived change"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.UNCONFIRMED),
)
@click.option("--abandon-data", is_flag=True, help="Give up what was written since the last archived change.")
@click.option("--cold", is_flag=True, help="Drop cached images too.")
@prove_option
@confirm_option
@detach_option
@common(progress=True)
def command(told: Common, confirm: str | None, *, detach: bool, **flags: Any) -> int:
    """Prove and seal the treasures, then destroy what stands.

    The treasury is never touched; `castle raise` brings everything back.
    """
    request = request_of(flags)
    castle = load(told)
    site = castle.site(told.site).name
    what = f"This destroys castle {castle.name} on site {site}; its treasures stay in the treasury."
    confirm_name(castle.name, confirm, what, as_json=told.json)
    return start(told, castle, Verb.WIPE, request, detach=detach)
