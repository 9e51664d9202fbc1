"""`castle prefetch`."""

from __future__ import annotations

import asyncio

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.told import Teller
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.listings import answer_text


@click.command(
    "prefetch",
    cls=VerbCommand,
    examples=(
        ("castle prefetch", "builds what the first run would otherwise wait for"),
        ("castle prefetch -f home.yaml --site home", "for a certain castle and site"),
        ("castle prefetch --json", "for scripts: progress as JSON lines, the references last"),
    ),
    exit_codes=(exit_codes.FAILED,),
)
@common(progress=True)
def command(told: Common) -> int:
    """Build images and programs ahead of time. What is there already is left alone."""
    answer = asyncio.run(wiring().prefetch(load(told), told.site, Teller(told.progress)))
    click.echo(dumps({"kind": "prefetch", **answer}) if told.json else answer_text(answer))
    return 0
