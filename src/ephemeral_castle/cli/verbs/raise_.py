"""`castle raise`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ephemeral_castle.cli import exit_codes
from ephemeral_castle.cli.chosen import chosen
from ephemeral_castle.cli.command import VerbCommand
from ephemeral_castle.cli.confirm import confirm_name
from ephemeral_castle.cli.load import load
from ephemeral_castle.cli.options import Common, budget_option, common, confirm_option, detach_option, life_options
from ephemeral_castle.cli.request import request_of
from ephemeral_castle.cli.runs import start
from ephemeral_castle.cli.wired import wiring
from ephemeral_castle.model.castle import Verb
from ephemeral_castle.views.jsonl import dumps

if TYPE_CHECKING:
    from ephemeral_castle.model.castle import Castle

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
    castle is begun only with --new. Flags that give something up need the castle's name. Where one look shows that
    nothing would be changed, no run is made.
    """
    request = request_of(flags)
    castle = load(told)
    request = chosen(request, castle.site(told.site), Verb.RAISE)
    if confirm is not None or any(name in request for name in _GIVES_UP):
        what = f"This raises castle {castle.name} and gives up what the flags name."
        confirm_name(castle.name, confirm, what, as_json=told.json)
    if not request and not detach and _nothing_to_do(told, castle):
        return exit_codes.OK
    return start(told, castle, Verb.RAISE, request, detach=detach, enforce=enforce_budget)


def _nothing_to_do(told: Common, castle: Castle) -> bool:
    """Whether one look shows that a run would change nothing; says so then."""
    seen = asyncio.run(wiring().settled(castle, told.site))
    if seen["why"]:
        return False
    if told.progress == "jsonl":
        line = {"kind": "settled", "castle": castle.name, "site": seen["site"], "life": seen["life"], "changed": False}
        click.echo(dumps(line))
    elif told.progress == "plain":
        click.echo(f"life {seen['life']} stands as defined: nothing was changed")
    return True
