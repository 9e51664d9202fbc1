"""`castle runs`."""

from __future__ import annotations

import dataclasses

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load_of_run
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.errors import NoSuchRun
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.listings import runs_text


@click.command(
    "runs",
    cls=VerbCommand,
    examples=(
        ("castle runs", "newest first"),
        ("castle runs --last 5", "the last five"),
        ("castle runs --json", "for scripts"),
    ),
    exit_codes=(exit_codes.FAILED,),
)
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Only the last N.")
@common(site=False)
def command(told: Common, last: int | None) -> int:
    """List the runs of this castle on this computer."""
    castle = load_of_run(told, None)
    try:
        found = [dataclasses.asdict(info) for info in wiring().journal_of(castle).runs()][:last]
    except NoSuchRun:  # no journal yet: an empty list, not an error
        found = []
    click.echo(dumps({"kind": "runs", "castle": castle.name, "runs": found}) if told.json else runs_text(found))
    return 0
