"""`castle watch`."""

from __future__ import annotations

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load_of_run
from ephemeral_castle.cli.options import Common, budget_option, common, run_argument
from ephemeral_castle.cli.runs import known_run, show
from ephemeral_castle.cli.wired import wiring


@click.command(
    "watch",
    cls=VerbCommand,
    examples=(
        ("castle watch", "the last run"),
        ("castle watch 20261122-154501-3f9c", "a certain run"),
        ("castle watch --progress jsonl > events.jsonl", "every event, as it comes"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.OVER_BUDGET),
)
@run_argument
@budget_option
@common(site=False, progress=True)
def command(told: Common, run: str | None, *, enforce_budget: bool) -> int:
    """Follow a run. Without RUN: the last one.

    Ends with the run, with its exit code. Ctrl-C leaves the run alone.
    """
    castle = load_of_run(told, run)
    found = known_run(wiring().journal_of(castle), run)
    return show(told, castle, found, enforce=enforce_budget)
