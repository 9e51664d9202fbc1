"""`castle restore`."""

from __future__ import annotations

from typing import Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.confirm import confirm_name
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common, confirm_option, detach_option
from ephemeral_castle.cli.request import point_in_time, request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb


@click.command(
    "restore",
    cls=VerbCommand,
    examples=(
        ("castle restore --to 2026-02-07T19:00:00+01:00 --side", "a copy beside the living database"),
        ("castle restore --to 2026-02-07T19:00:00+01:00", "in place; asks for the castle's name"),
        ("castle restore --set 20261122-032815F --confirm tazlab", "in place, from one backup"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.UNCONFIRMED),
)
@click.option("--to", metavar="TIME", default="", help="Point in time, ISO 8601 with offset; the newest without it.")
@click.option("--side", is_flag=True, help="Bring a copy up beside the living database; changes nothing else.")
@click.option("--set", "set_label", metavar="LABEL", default="", help="Restore from this backup.")
@confirm_option
@detach_option
@common(progress=True)
def command(told: Common, confirm: str | None, *, to: str, side: bool, detach: bool, **flags: Any) -> int:
    """Bring data back from the repository, in place or beside the living.

    In place replaces the living database, after what it holds was archived.
    """
    request = request_of({"to": point_in_time(to) if to else "", "side": side, **flags})
    castle = load(told)
    if not side:
        when = f"as of {to}" if to else "from the newest backup"
        what = f"This replaces the living data of castle {castle.name} with that {when}. --side only brings up a copy."
        confirm_name(castle.name, confirm, what, as_json=told.json)
    return start(told, castle, Verb.RESTORE, request, detach=detach)
