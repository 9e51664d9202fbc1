"""`castle rebirth`."""

from __future__ import annotations

from typing import Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.chosen import chosen
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.confirm import confirm_name
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import (
    Common,
    budget_option,
    common,
    confirm_option,
    detach_option,
    life_options,
    prove_option,
)
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb


@click.command(
    "rebirth",
    cls=VerbCommand,
    examples=(
        ("castle rebirth", "asks for the castle's name, then destroys it and brings it back"),
        ("castle rebirth -f home.yaml --confirm tazlab --json", "for scripts: one event per line, the report last"),
        ("castle rebirth --source-lost --confirm tazlab", "the old castle cannot be reached; it is given up"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.OVER_BUDGET, exit_codes.UNCONFIRMED),
)
@life_options
@prove_option
@confirm_option
@detach_option
@budget_option
@common(progress=True)
def command(told: Common, confirm: str | None, *, detach: bool, enforce_budget: bool, **flags: Any) -> int:
    """Prove, seal, destroy, raise, restore, open and verify, in one run.

    Nothing is destroyed before a backup of it was restored elsewhere and read. The run lives in a
    process of its own: Ctrl-C ends only this view of it.
    """
    request = request_of(flags)
    castle = load(told)
    request = chosen(request, castle.site(told.site), Verb.REBIRTH)
    site = castle.site(told.site).name
    what = f"This destroys castle {castle.name} on site {site} and brings it back. `castle plan` shows every step."
    confirm_name(castle.name, confirm, what, as_json=told.json)
    return start(told, castle, Verb.REBIRTH, request, detach=detach, enforce=enforce_budget)
