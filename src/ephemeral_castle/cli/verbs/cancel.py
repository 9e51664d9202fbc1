"""`castle cancel`."""

from __future__ import annotations

import contextlib

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load_of_run
from ephemeral_castle.cli.options import Common, common, run_argument
from ephemeral_castle.cli.runs import known_run
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.listings import answer_text


@click.command(
    "cancel",
    cls=VerbCommand,
    examples=(
        ("castle cancel", "the last run"),
        ("castle cancel 20261122-154501-3f9c", "a certain run"),
        ("castle cancel --json", "for scripts: what will happen"),
    ),
    exit_codes=(exit_codes.FAILED, 10),
)
@run_argument
@common(site=False)
def command(told: Common, run: str | None) -> int:
    """Stop a run. Without RUN: the last one.

    Before the first deletion everything is undone. After it the run stops at the next safe place and
    `castle resume` goes on: half a castle helps nobody.
    """
    castle = load_of_run(told, run)
    wired = wiring()
    with contextlib.closing(wired.journal_of(castle)) as journal:
        found = known_run(journal, run, going=True)
    answer = wired.cancel_run(castle, found)
    click.echo(dumps({"kind": "cancel", **answer}) if told.json else answer_text(answer))
    return 0
