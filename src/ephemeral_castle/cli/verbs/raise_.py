"""`castle raise`."""

from __future__ import annotations

from typing import Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.confirm import confirm_name
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, budget_option, common, confirm_option, detach_option, life_options
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.model.castle import Verb

_GIVES_UP = ("source_lost", "abandon_data", "accept_loss_after")


@click.command(
    "raise",
    cls=VerbCommand,
    examples=(
        ("castle raise --new", "the first birth: an empty castle"),
        ("castle raise", "brings up what does not stand, with the data of the treasury"),
        ("castle raise --source-lost --confirm tazlab", "on a fresh computer, when the old one is gone"),
    ),
    exit_codes=(*exit_codes.ON_RUNS, exit_codes.OVER_BUDGET, exit_codes.UNCONFIRMED),
)
@life_options
@confirm_option
@detach_option
@budget_option
@common(progress=True)
def command(told: Common, confirm: str | None, *, detach: bool, enforce_budget: bool, **flags: Any) -> int:
    """Bring the castle up, from nothing or from what stands. Destroys nothing.

    Whether data is created or restored is decided by what is found here and in the treasury; an empty
    castle is begun only with --new. Flags that give something up need the castle's name.
    """
    request = request_of(flags)
    castle = load(told)
    if confirm is not None or any(name in request for name in _GIVES_UP):
        what = f"This raises castle {castle.name} and gives up what the flags name."
        confirm_name(castle.name, confirm, what, as_json=told.json)
    return start(told, castle, Verb.RAISE, request, detach=detach, enforce=enforce_budget)
