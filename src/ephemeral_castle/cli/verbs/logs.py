"""`castle logs`."""

from __future__ import annotations

import click

from ephemeral_castle import __version__
from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load_of_run
from ephemeral_castle.cli.options import Common, common, run_argument
from ephemeral_castle.cli.runs import known_run
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.errors import UsageError
from ephemeral_castle.views.jsonl import event_line, version_line
from ephemeral_castle.views.listings import log_lines


@click.command(
    "logs",
    cls=VerbCommand,
    examples=(
        ("castle logs", "every event of the last run"),
        ("castle logs 20261122-154501-3f9c --step database/seal", "one step of a certain run"),
        ("castle logs --json | jq 'select(.kind == \"step.retrying\")'", "what was tried again, and why"),
    ),
    exit_codes=(exit_codes.FAILED, 10),
)
@run_argument
@click.option("--step", metavar="LAYER[/STEP]", help="Only this layer or step.")
@common(site=False)
def command(told: Common, run: str | None, step: str | None) -> int:
    """Show every event of a run. Without RUN: the last one."""
    journal = wiring().journal_of(load_of_run(told, run))
    found = known_run(journal, run)
    events = journal.events(found)
    zero = events[0].at if events else 0.0
    if step:
        wanted = step.replace("/", ".", 1)
        steps = dict.fromkeys(e.step for e in events if e.step)
        events = [e for e in events if e.step == wanted or e.step.startswith(f"{wanted}.")]
        if not events:
            known = ", ".join(each.replace(".", "/", 1) for each in steps) or "none"
            raise UsageError(
                f"no layer or step `{step}` did anything in run {found}",
                why=f"those that did: {known}",
                hints=(f"castle logs {found}",),
            )
    lines = [version_line(__version__, found), *map(event_line, events)] if told.json else log_lines(events, zero)
    for line in lines:
        click.echo(line)
    return 0
