"""`castle report`."""

from __future__ import annotations

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load_of_run
from ephemeral_castle.cli.options import Common, common, run_argument
from ephemeral_castle.cli.runs import known_run
from ephemeral_castle.cli.screen import out_paint
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.model.events import RunStatus
from ephemeral_castle.model.runview import reduce
from ephemeral_castle.views.failure import culprit, failure_json, failure_text, log_of
from ephemeral_castle.views.jsonl import dumps
from ephemeral_castle.views.report import report_text
from ephemeral_castle.views.reportdata import report_json


@click.command(
    "report",
    cls=VerbCommand,
    examples=(
        ("castle report", "the last run"),
        ("castle report 20261122-154501-3f9c", "a certain run"),
        ("castle report --json | jq .figures", "outage, RTO and whole run in seconds"),
    ),
    exit_codes=(exit_codes.FAILED, 10),
)
@run_argument
@common(site=False)
def command(told: Common, run: str | None) -> int:
    """Show the report of a run. Without RUN: the last one.

    Exits 0 whenever there is a report; how the run ended stands in it.
    """
    castle = load_of_run(told, run)
    journal = wiring().journal_of(castle)
    found = known_run(journal, run)
    events = journal.events(found)
    view = reduce(journal.plan(found), events)
    report = report_json(view, castle.budget)
    broken = view.status not in {RunStatus.DONE, RunStatus.RUNNING}
    step = culprit(view)
    log = log_of(events, step.id) if step else []
    if told.json:
        click.echo(dumps({**report, "failure": failure_json(view, log) if broken else None}))
        return 0
    click.echo(report_text(report, out_paint()))
    if broken:
        click.echo("\n" + failure_text(view, log, out_paint()))
    return 0
