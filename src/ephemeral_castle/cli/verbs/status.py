"""`castle status`."""

from __future__ import annotations

import asyncio

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.screen import out_paint
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.statusview import status_json, status_text


@click.command(
    "status",
    cls=VerbCommand,
    examples=(
        ("castle status", "machines, backups, proof, archiving, data at risk now"),
        ("castle status --json", "for a monitoring system; addresses are under `addresses`"),
        ("castle status || mail -s 'castle alarm' root", "in a timer: the exit code tells"),
    ),
    exit_codes=(exit_codes.FAILED, exit_codes.ALARM, exit_codes.UNSEEN),
)
@common()
def command(told: Common) -> int:
    """Show machines, backups, proof, archiving and the data at risk now.

    Only looks. Exits 8 when something needs a person, 12 when it could not look at everything.
    """
    survey = asyncio.run(wiring().survey(load(told), told.site))
    data = status_json(survey)
    click.echo(dumps(data) if told.json else status_text(survey, out_paint()))
    if data["alarms"]:
        return exit_codes.ALARM
    return exit_codes.OK if data["healthy"] else exit_codes.UNSEEN
