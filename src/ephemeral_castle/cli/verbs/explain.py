"""`castle explain`."""

from __future__ import annotations

import dataclasses

import click

from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.options import Common, common
from ephemeral_castle.cli.screen import out_paint
from ephemeral_castle.cli.wired import checking
from ephemeral_castle.views.findings.explained import explained_text, rules_text
from ephemeral_castle.views.jsonl import dumps


@click.command(
    "explain",
    cls=VerbCommand,
    examples=(
        ("castle explain", "all rules, a line each"),
        ("castle explain definition", "what a rule finds, why it matters, and what to write instead"),
        ("castle explain --json", "for scripts"),
    ),
)
@click.argument("rule", required=False)
@common(file=False, site=False)
def command(told: Common, rule: str | None) -> int:
    """Explain a rule of `castle check`, or list them all.

    Each is told with what happens otherwise, where it is known from, and an example that fails and one that passes.
    """
    found = [checking().explanation(rule)] if rule else checking().explanations()
    if told.json:
        click.echo(dumps({"kind": "rules", "rules": [dataclasses.asdict(each) for each in found]}))
    else:
        click.echo(explained_text(found[0], out_paint()) if rule else rules_text(found))
    return 0
