"""`castle resume`."""

from __future__ import annotations

import contextlib

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.options import Common, budget_option, common, heal_option, run_argument
from ephemeral_castle.cli.runs import known_run, show
from ephemeral_castle.cli.wired import wiring


@click.command(
    "resume",
    cls=VerbCommand,
    examples=(
        ("castle resume", "the last run"),
        ("castle resume 20261122-154501-3f9c --json", "a certain run, for scripts"),
        ("castle resume --heal", "a controller of Flux hangs: restarts it, and goes on"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.OVER_BUDGET),
)
@run_argument
@heal_option
@budget_option
@common(site=False, progress=True)
def command(told: Common, run: str | None, *, heal: bool, enforce_budget: bool) -> int:
    """Go on with a run that failed, was stopped or was killed. Without RUN: the last one.

    The stored plan goes on where it stood, with the definition that the run began with. Nothing that cannot be
    repeated is repeated. Compose projects come up as they are pushed by now.
    """
    wired = wiring()
    castle, note = wired.castle_of_run(told.file, run)
    # Closed before the runner is forked off: SQLite in the copy would go on with locks and files that are not its own.
    with contextlib.closing(wired.journal_of(castle)) as journal:
        found = known_run(journal, run, going=True)
        before = journal.events(found)
    wired.resume_run(castle, found, note, heal=heal)
    return show(told, castle, found, enforce=enforce_budget, since=before[-1].seq if before else 0)
