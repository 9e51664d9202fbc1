"""`castle drill`."""

from __future__ import annotations

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, budget_option, common, detach_option
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb


@click.command(
    "drill",
    cls=VerbCommand,
    examples=(
        ("castle drill", "the return after a total loss, rehearsed; then all of it is removed"),
        ("castle drill --keep", "what failed is left standing for a look; the next drill removes it"),
        ("castle drill --enforce-budget --progress none", "for a timer: exits 6 when a return takes longer than rto"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.OVER_BUDGET),
)
@click.option("--keep", is_flag=True, help="Leave the drill's castle standing when the drill fails.")
@detach_option
@budget_option
@common(progress=True)
def command(told: Common, *, keep: bool, detach: bool, enforce_budget: bool) -> int:
    """Rehearse the return after a total loss, beside the living castle.

    The last backups are brought up in a network of their own, from the treasury alone, proven and removed again.
    The living castle is not touched. What was proven counts for proof.max_age.
    """
    return start(told, load(told), Verb.DRILL, request_of({"keep": keep}), detach=detach, enforce=enforce_budget)
